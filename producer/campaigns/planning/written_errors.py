"""A copy of a campaign file with the reason beside every row that is refused."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from producer.campaigns.files import open_table
from producer.campaigns.reading.encodings.detection import encoding_of
from producer.campaigns.reading.json_objects import parse_object
from producer.campaigns.reading.looks.formats import NumberFormat
from producer.campaigns.reading.looks.shown import ShownNumber
from producer.campaigns.reading.options import ReadingOptions
from producer.campaigns.reading.report import Report
from producer.campaigns.reading.table import Cell, Table, as_text, is_empty, whole_file
from producer.campaigns.reading.text import lines
from producer.campaigns.reading.words import ERRORS_COLUMN, OURS, folded
from producer.errors import BadRow
from seedance.problems import InvalidInput, Problem

_WIDTH, _ERRORS_WIDTH = 18, 70


def check_target(source: Path, target: Path) -> None:
    """Check that a copy of `source` can be written to `target`.

    Raises:
        InvalidInput: it is the file itself, or of a kind that is not written.
    """
    if source.suffix.lower() in (".yaml", ".yml"):
        raise _refused(f"needs a sheet or a JSONL file, not {source.name}")
    kinds = (".jsonl",) if source.suffix.lower() == ".jsonl" else (".xlsx", ".csv")
    if target.suffix.lower() not in kinds:
        raise _refused(f"must end in {' or '.join(kinds)} for a copy of {source.name}, not {target.name!r}")
    if target.exists() and source.exists() and target.samefile(source):
        raise _refused("is the campaign file itself; give another name")
    if not target.parent.is_dir():
        raise _refused(f"cannot be written: there is no directory {target.parent}")


def write_errors(source: Path, options: ReadingOptions, bad: Sequence[BadRow], target: Path) -> None:
    """Write a copy of `source` to `target` with a column of reasons. The copy can be corrected and run: that column is
    not read.

    Raises:
        InvalidInput: see `check_target`; or the file has changed and cannot be read any more.
        OSError: the copy cannot be written.
    """
    check_target(source, target)
    with source.open("rb") as file:
        write_errors_of(source.name, file, source.suffix.lower().removeprefix("."), options, bad, target)


def write_errors_of(
    name: str, file: BinaryIO, kind: str, options: ReadingOptions, bad: Sequence[BadRow], target: Path
) -> None:
    """The same for an open file; `kind` is its ending without the dot. The ending of `target` says what to write, which
    is JSONL for JSONL, and else a workbook or CSV.

    Raises:
        InvalidInput: the file cannot be read any more.
        OSError: the copy cannot be written.
    """
    reasons = _reasons(bad)
    if kind == "jsonl":
        _write_objects(name, file, options, reasons, target)
        return
    table = open_table(name, file, kind, options, Report())
    if table is None:
        raise whole_file(name, "holds no jobs")
    written = _rows(table, reasons)
    if target.suffix.lower() == ".csv":
        _write_csv(written, target)
    else:
        _write_workbook(written, len(table.columns), target)


def _refused(message: str) -> InvalidInput:
    return InvalidInput([Problem("--write-errors", message)])


def _reasons(bad: Sequence[BadRow]) -> dict[int, str]:
    found: dict[int, list[str]] = {}
    for row in bad:
        found.setdefault(row.number, []).extend(
            f"{cell.column}: {cell.message}" if cell.column else cell.message for cell in row.cells
        )
    return {number: "; ".join(dict.fromkeys(messages)) for number, messages in found.items()}


def _rows(table: Table, reasons: Mapping[int, str]) -> Iterator[tuple[int, list[Cell]]]:
    """The rows of the copy with their numbers, which are those of the original; the first names the columns. The
    reasons of an earlier copy give way to those of this one."""
    places = [place for place, name in enumerate(table.columns) if folded(name) not in OURS]
    yield table.header_number, [ERRORS_COLUMN, *(table.columns[place] for place in places)]
    for row in table.rows:
        cells = [row.shown.get(place, row.cells[place]) if place < len(row.cells) else None for place in places]
        beyond = [cell for cell in row.cells[len(table.columns) :] if not is_empty(cell)]  # without a name
        yield row.number, [reasons.get(row.number), *cells, *beyond]


def _write_csv(rows: Iterator[tuple[int, list[Cell]]], target: Path) -> None:
    with target.open("w", encoding="utf-8-sig", newline="") as file:  # the mark tells Excel that it is UTF-8
        writer = csv.writer(file)
        last = 0
        for number, cells in rows:
            file.write("\r\n" * (number - last - 1))
            writer.writerow([as_text(cell) for cell in cells])
            last = number


def _write_workbook(rows: Iterator[tuple[int, list[Cell]]], columns: int, target: Path) -> None:
    import xlsxwriter  # slow to import, and only this needs it

    book = xlsxwriter.Workbook(str(target), {"constant_memory": True, "strings_to_urls": False})
    try:
        sheet = book.add_worksheet()
        bold, red = book.add_format({"bold": True}), book.add_format({"font_color": "#C00000", "text_wrap": True})
        sheet.set_column(0, 0, _ERRORS_WIDTH)
        sheet.set_column(1, max(columns, 1), _WIDTH)
        header, names = next(rows)
        sheet.freeze_panes(header, 0)
        for column, name in enumerate(names):
            sheet.write_string(header - 1, column, as_text(name), bold)
        formats: dict[NumberFormat | None, Any] = {}
        for number, cells in rows:
            for column, cell in enumerate(cells):
                if isinstance(cell, ShownNumber) and cell.code is not None:
                    if cell.code not in formats:
                        formats[cell.code] = book.add_format({"num_format": cell.code})
                    sheet.write_number(number - 1, column, cell.value, formats[cell.code])
                elif column or is_empty(cell):
                    _write_cell(sheet, number - 1, column, cell)
                else:
                    sheet.write_string(number - 1, 0, as_text(cell), red)
    finally:
        book.close()


def _write_cell(sheet: Any, row: int, column: int, cell: Cell) -> None:
    match cell:
        case bool():
            sheet.write_boolean(row, column, cell)
        case int() | float() if abs(cell) < 1e15:
            sheet.write_number(row, column, cell)
        case datetime() | date() | time():
            sheet.write_string(row, column, as_text(cell))
        case _ if not is_empty(cell):
            sheet.write_string(row, column, as_text(cell)[:32_767])  # Excel's limit for a cell


def _write_objects(
    name: str, file: BinaryIO, options: ReadingOptions, reasons: Mapping[int, str], target: Path
) -> None:
    with target.open("wb") as copy:
        for number, line in lines(name, file, encoding_of(name, file, options.encoding)):
            if not line.strip():
                continue
            try:
                given: dict[str, Any] = parse_object(line)
            except ValueError:
                given = {"line": line.rstrip("\r\n")}
            given = {key: value for key, value in given.items() if folded(key) not in OURS}
            if number in reasons:
                given = {ERRORS_COLUMN: reasons[number]} | given
            copy.write(orjson.dumps(given, option=orjson.OPT_APPEND_NEWLINE))
