"""Read a JSONL export of a campaign as the sheet that it came from, so that its rows are the same rows."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from typing import Any, BinaryIO, Final

import orjson

from producer.campaigns.reading.encodings import encoding_of
from producer.campaigns.reading.json_objects import parse_object
from producer.campaigns.reading.options import ReadingOptions
from producer.campaigns.reading.report import Report
from producer.campaigns.reading.table import MAX_COLUMNS, Cell, Table, TableRow, whole_file
from producer.campaigns.reading.text import lines

_MARKS: Final = frozenset(("columns", "row", "sheet", "variant", "versions", "video_url"))
"""What every line of an export has, and no job has."""


def exported_table(name: str, file: BinaryIO, options: ReadingOptions, report: Report) -> Table | None:
    """The sheet in an export, one row for each row of the sheet, whatever a template made of it; None: it is no export.

    Raises:
        InvalidInput: it is an export in which a row has no columns of a sheet, or there are too many.
    """
    columns: dict[str, None] = {}
    with closing(_objects(name, file, options)) as found:
        for line in found:
            if line is None or not line.keys() >= _MARKS or not isinstance(line["columns"], dict):
                return None
            if not line["columns"]:
                message = f"is an export of a campaign in which row {line['row']} did not come from a file"
                raise whole_file(name, message)
            columns |= dict.fromkeys(line["columns"])
            if len(columns) > MAX_COLUMNS:
                raise whole_file(name, f"has more than {MAX_COLUMNS:,} columns")
    if not columns:
        return None
    report.notes.append(f"{name}: is an export of a campaign; read the columns of its sheet")
    return Table(name, 1, list(columns), _rows(name, file, options, list(columns)), report)


def _objects(name: str, file: BinaryIO, options: ReadingOptions) -> Generator[Mapping[str, Any] | None]:
    """The lines; None: it is not a JSON object."""
    file.seek(0)
    for _, line in lines(name, file, encoding_of(name, file, options.encoding)):
        if line.strip():
            try:
                yield parse_object(line)
            except ValueError:
                yield None


def _rows(name: str, file: BinaryIO, options: ReadingOptions, columns: list[str]) -> Iterator[TableRow]:
    seen: set[tuple[object, object]] = set()
    for line in _objects(name, file, options):
        if line is None or (place := (line["sheet"], line["row"])) in seen:
            continue
        seen.add(place)
        cells = line["columns"]
        yield TableRow(_number(line["row"], len(seen)), [_cell(cells.get(column)) for column in columns])


def _number(given: object, count: int) -> int:
    return given if isinstance(given, int) and given > 1 else count + 1


def _cell(value: Any) -> Cell:
    return value if value is None or isinstance(value, str | int | float) else orjson.dumps(value).decode()
