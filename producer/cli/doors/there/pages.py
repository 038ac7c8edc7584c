"""Lists of the API, which come in pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from reelq_client.models.base import Page

T = TypeVar("T")
_MOST = 200
"""What the API gives on a page at most."""


def first_of(limit: int, page: Callable[[int, str | None], Page[T]]) -> list[T]:
    """The first items of a list. `page` asks for a number of them, after a cursor; None: from the start."""
    found: list[T] = []
    cursor = None
    while len(found) < limit:
        got = page(min(limit - len(found), _MOST), cursor)
        found += got.data
        if got.next_cursor is None:
            break
        cursor = str(got.next_cursor)
    return found
