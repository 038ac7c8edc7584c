"""Cursors of pages."""

from __future__ import annotations

import re
from uuid import UUID

from producer.http.problems import ApiProblem


def cursor_id(cursor: str | None) -> UUID | None:
    """The last item of the previous page.

    Raises:
        ApiProblem: it is not a valid cursor.
    """
    if cursor is None:
        return None
    if not re.fullmatch(r"[0-9a-f]{32}", cursor):
        detail = "cursor: must be the next_cursor of a page"
        raise ApiProblem(422, "invalid_parameter", detail, param="cursor")
    return UUID(cursor)
