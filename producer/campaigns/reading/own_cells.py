"""The cells of a row as they came, to give the sheet back later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from producer.campaigns.reading.table import MAX_COLUMNS, Cell, as_text
from seedance.problems import shorten
from storage.jobs.shown.document import cut_short

_SHOWN_CHARS = 500


def cells_of(cells: Sequence[Cell], columns: Sequence[int]) -> bytes:
    """The cells of a row of a sheet in these columns, as a JSON list. Numbers, booleans and texts
    stay what they are; times become text of ISO 8601; errors of spreadsheets are empty."""
    return _json([_plain(cells[index]) for index in columns if index < len(cells)])


def values_of(given: Mapping[str, Any], header: list[str]) -> bytes:
    """The values of an object as a JSON list in the order of `header`, which gets the names that it lacks, up to the
    most columns that a sheet may have."""
    if not given.keys() <= (known := set(header)):
        header += [name for name in given if name not in known][: MAX_COLUMNS - len(header)]
    found = [_shallow(given.get(name)) for name in header]
    while found and found[-1] is None:
        found.pop()
    return _json(found)


def _json(values: list[Any]) -> bytes:
    # A copy: orjson's own result keeps its buffer, 4 KiB for every row of a hundred thousand.
    try:
        return bytes(memoryview(orjson.dumps(values)))
    except TypeError:  # half a surrogate pair, a number beyond 64 bits, lists in lists in lists: as text, or not at all
        return bytes(memoryview(orjson.dumps([_storable(value) for value in values])))


def _storable(value: Any) -> Any:
    try:
        orjson.dumps(value)
    except TypeError:
        return shorten(value, _SHOWN_CHARS).encode("utf-8", "replace").decode() if _is_plain(value) else None
    return value


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | float)


def _shallow(value: Any) -> Any:
    """The value with data URIs cut to their beginning, not looking into lists in lists: they may be very deep."""
    if isinstance(value, list):
        return [cut_short(item) if isinstance(item, str) else item for item in value]
    return cut_short(value) if isinstance(value, str) else value


def _plain(cell: Cell) -> Any:
    match cell:
        case None | bool() | int() | float():
            return cell if not isinstance(cell, int) or abs(cell) < 2**63 else str(cell)
        case str():
            return cut_short(cell)
        case _:
            return as_text(cell)
