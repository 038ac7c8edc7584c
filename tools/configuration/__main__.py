"""`python -m tools.configuration`: write docs/configuration.md.

With `--release VERSION` it first writes down which keys that release brought.
"""

from __future__ import annotations

import argparse

from tools.configuration.page import PAGE, list_under, page

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tools.configuration")
    parser.add_argument("--release", metavar="VERSION", help="the release that brings the keys that no release has")
    if (release := parser.parse_args().release) is not None:
        try:
            list_under(release)
        except ValueError as exc:
            parser.error(str(exc))
    PAGE.write_text(page(), encoding="utf-8")
