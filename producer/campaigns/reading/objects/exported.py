"""Read a JSONL export of a campaign as the sheet that it came from, so that its rows are the same rows."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from typing import Any, BinaryIO, Final

import orjson

from producer.campaigns.reading.encodings.detection import encoding_of
from producer.campaigns.reading.json_objects import parse_object
from producer.campaigns.reading.looks.shown import ShownNumber, is_number, shown_number
from producer.campaigns.reading.options import ReadingOptions
from producer.campaigns.reading.report import Report
from producer.campaigns.reading.table import MAX_COLUMNS, Broken, Cell, Table, TableRow, whole_file
from producer.campaigns.reading.text import lines

MAX_ROW: Final = 1_048_576
"""The last row of a sheet in a spreadsheet."""
_NO_TEXT: Final = "NUL or half of a surrogate pair"
"""JSON can write them, and no sheet can have held them."""
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
            if not all(map(_is_text, line["columns"])):
                raise whole_file(name, f"row {line['row']} names a column with {_NO_TEXT}")
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
    seen: set[str] = set()
    for line in _objects(name, file, options):
        if (
            line is None or (place := repr((line["sheet"], line["row"]))) in seen
        ):  # a file that was edited holds anything
            continue
        seen.add(place)
        cells = [_cell(line["columns"].get(column)) for column in columns]
        yield TableRow(_number(line["row"], len(seen)), cells, _shown(line.get("formats"), columns, cells))


def _shown(formats: object, columns: list[str], cells: list[Cell]) -> dict[int, ShownNumber]:
    """What the sheet showed for numbers, by the formats in a line."""
    if not isinstance(formats, dict):
        return {}
    found: dict[int, ShownNumber] = {}
    for index, (column, cell) in enumerate(zip(columns, cells, strict=True)):
        code = formats.get(column)
        if isinstance(code, int | str) and is_number(cell) and (shown := shown_number(cell, code)) is not None:
            found[index] = shown
    return found


def _number(given: object, count: int) -> int:
    return given if type(given) is int and 1 < given <= MAX_ROW else count + 1


def _cell(value: Any) -> Cell:
    if isinstance(value, str) and not _is_text(value):
        return Broken(f"holds {_NO_TEXT}")
    if value is None or isinstance(value, str | int | float):
        return value
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        return Broken(f"holds {_NO_TEXT}, or a number beyond 64 bits")


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text
