"""The names that a campaign may have."""

from __future__ import annotations

from seedance.problems import InvalidInput, Problem, shorten

MAX_NAME_CHARS = 100


def check_name(name: str) -> str:
    """The name unchanged, if it is valid for a campaign.

    Raises:
        InvalidInput: it is blank or too long, contains control characters or a slash, or is `.` or `..`: none of them
            could be part of a URL's path or of a folder's name.
    """
    if not name.strip() or not name.isprintable() or len(name) > MAX_NAME_CHARS:
        message = f"must be 1 to {MAX_NAME_CHARS} printable characters, not {shorten(name)}"
        raise InvalidInput([Problem("name", message)])
    if "/" in name or "\\" in name or name in (".", ".."):
        raise InvalidInput([Problem("name", f"must have no slash and not be . or .., not {shorten(name)}")])
    return name
