"""`python -m tools.site`: write the site's sources into build/site; `mkdocs build` makes the site of them."""

from __future__ import annotations

from tools.site.pages import assemble

if __name__ == "__main__":
    assemble()
