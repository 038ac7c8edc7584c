"""The cells of a row as they came, to give the sheet back later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from producer.campaigns.reading.table import MAX_COLUMNS, Cell, as_text
from storage.jobs.document import cut_short


def cells_of(cells: Sequence[Cell], columns: Sequence[int]) -> bytes:
    """The cells of a row of a sheet in these columns, as a JSON list. Numbers, booleans and texts
    stay what they are; times become text of ISO 8601; errors of spreadsheets are empty."""
    return _json([_plain(cells[index]) for index in columns if index < len(cells)])


def values_of(given: Mapping[str, Any], header: list[str]) -> bytes:
    """The values of an object as a JSON list in the order of `header`, which gets the names that it lacks, up to the
    most columns that a sheet may have."""
    if not given.keys() <= (known := set(header)):
        header += [name for name in given if name not in known][: MAX_COLUMNS - len(header)]
    found = [cut_short(given.get(name)) for name in header]
    while found and found[-1] is None:
        found.pop()
    return _json(found)


def _json(values: list[Any]) -> bytes:
    # A copy: orjson's own result keeps its buffer, 4 KiB for every row of a hundred thousand.
    return bytes(memoryview(orjson.dumps(values)))


def _plain(cell: Cell) -> Any:
    match cell:
        case None | bool() | int() | float():
            return cell if not isinstance(cell, int) or abs(cell) < 2**63 else str(cell)
        case str():
            return cut_short(cell)
        case _:
            return as_text(cell)
