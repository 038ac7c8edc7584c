"""`python -m tools.configuration`: write docs/configuration.md."""

from __future__ import annotations

from tools.configuration.page import PAGE, page

if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
