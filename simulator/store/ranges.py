"""`Range` and `If-Range`: the bytes of a file that a request asks for.

Source: RFC 9110, sections 13.1.5 and 14.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


def wanted_range(
    headers: Mapping[str, str], size: int, etag: str, modified: str
) -> tuple[int, int] | Literal["unsatisfiable"] | None:
    """The half-open range; None for the whole file (also for several ranges, which a server may ignore)."""
    given = headers.get("Range")
    found = _RANGE.fullmatch(given.replace(" ", "")) if given else None
    if found is None or not (found[1] or found[2]):
        return None
    condition = headers.get("If-Range")
    if condition is not None and condition not in (etag, modified):
        return None
    if not found[1]:
        length = int(found[2])
        return (max(size - length, 0), size) if length and size else "unsatisfiable"
    start = int(found[1])
    end = min(int(found[2]) + 1, size) if found[2] else size
    if found[2] and int(found[2]) < start:
        return None
    return (start, end) if start < size else "unsatisfiable"
