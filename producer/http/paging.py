"""Cursors of pages."""

from __future__ import annotations

import re
from uuid import UUID

from producer.http.problems import ApiProblem


def cursor_id(cursor: str | None) -> UUID | None:
    """Where the page before ended.

    Raises:
        ApiProblem: it is no cursor of ours.
    """
    if cursor is None:
        return None
    if not re.fullmatch(r"[0-9a-f]{32}", cursor):
        detail = "cursor: is not one that a page gave as next_cursor"
        raise ApiProblem(422, "invalid_parameter", detail, param="cursor")
    return UUID(cursor)
