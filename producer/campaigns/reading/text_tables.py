"""Read tables in text files: cells separated by commas, semicolons, tabs or bars, as spreadsheets save them."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final

from producer.campaigns.reading.encodings.detection import Encoding, encoding_of
from producer.campaigns.reading.options import ReadingOptions
from producer.campaigns.reading.report import Report
from producer.campaigns.reading.table import Table, TableRow, clean_name, table_of, whole_file
from producer.campaigns.reading.text import lines
from producer.campaigns.reading.words import field_of, folded
from seedance.problems import InvalidInput, Problem

_NAMES: Final = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_MAX_ROWS_COMPARED = 10_000


@dataclass(frozen=True, slots=True)
class _Text:
    """A text file with a known encoding; `skipped`: its first line only names the delimiter."""

    name: str
    file: BinaryIO
    encoding: Encoding
    skipped: bool = False

    def records(self, delimiter: str) -> Iterator[TableRow]:
        """The rows, each with its number in a spreadsheet.

        Raises:
            InvalidInput: a quotation mark is not closed, or text follows one that closes a cell.
        """
        numbered = lines(self.name, self.file, self.encoding)
        if self.skipped:
            next(numbered)
        reader = csv.reader((line for _, line in numbered), delimiter=delimiter, strict=True)
        number = 0
        while True:
            number += 1
            try:
                cells = next(reader, None)
            except csv.Error as exc:
                raise whole_file(f"{self.name} row {number}", _message_of(exc)) from exc
            if cells is None:
                return
            if any(cell.strip("\ufeff").strip() for cell in cells):
                yield TableRow(number, cells)


def _message_of(exc: csv.Error) -> str:
    text = str(exc)
    if "unexpected end of data" in text:
        return 'is not CSV: a quotation mark (") opens a cell and is not closed'
    if "field limit" in text:
        limit = f"{csv.field_size_limit():,}"
        return f'is not CSV: a cell is longer than {limit} characters, or a quotation mark (") is not closed'
    if "expected after" in text:
        return 'is not CSV: text follows a closing quotation mark; write a quotation mark within a cell twice ("")'
    return f"is not CSV: {text}"


def open_text_table(name: str, file: BinaryIO, options: ReadingOptions, report: Report) -> Table | None:
    """Read the table in a text file; None: it has no row. The rows are read from the file while they are iterated.

    Raises:
        InvalidInput: it is not text, its encoding or delimiter is unclear, or its header cannot be used.
    """
    encoding = encoding_of(name, file, options.encoding)
    text = _Text(name, file, encoding)
    named = _named_in_first_line(text)
    if named is not None:
        text = _Text(name, file, encoding, skipped=True)
    delimiter = options.delimiter or named or _delimiter_of(text, options)
    report.encoding = encoding.name
    if not encoding.is_plain or delimiter != ",":
        report.notes.append(f"{name}: read as {encoding.name} text, cells separated by {_name_of(delimiter)}")
    return table_of(name, text.records(delimiter), report, delimiter)


def _name_of(delimiter: str) -> str:
    return _NAMES.get(delimiter, repr(delimiter))


def _named_in_first_line(text: _Text) -> str | None:
    """The delimiter named by a first line such as `sep=;`, which spreadsheets do not count as a row; None: none.

    Raises:
        InvalidInput: it does not name exactly one character.
    """
    for _, line in lines(text.name, text.file, text.encoding):
        first = line.rstrip("\r\n").strip('"')
        if not first.lower().startswith("sep="):
            return None
        if len(first) != 5 or first[4] in '"\r\n':
            raise whole_file(f"{text.name} line 1", "sep= must be followed by the one character between the cells")
        return first[4]
    return None


def _delimiter_of(text: _Text, options: ReadingOptions) -> str:
    """The delimiter with which the header has the most names of fields; of several, the one that fits all rows.

    Raises:
        InvalidInput: several fit.
    """
    known = {folded(column) for column in options.names}
    counted = []
    for delimiter in _NAMES:
        columns = _header(text, delimiter)
        fields = sum(field_of(column) is not None or folded(column) in known for column in columns)
        counted.append((fields, len(columns), delimiter))
    most = max(counted)
    if most[1] <= 1:
        return ","  # one column, or no header that can be read: there is nothing to separate
    if most[0] > 0:
        likely = [delimiter for fields, columns, delimiter in counted if fields == most[0] and columns > 1]
    else:
        likely = [delimiter for _, columns, delimiter in counted if columns > 1]
    if len(likely) > 1:
        likely = [delimiter for delimiter in likely if _fits_all(text, delimiter)] or likely
    if len(likely) > 1:
        names = " or ".join(_name_of(delimiter) for delimiter in likely)
        advice = "name the delimiter, as in --delimiter ';'"
        raise InvalidInput([Problem("", f"its cells may be separated by {names}; {advice}")], text.name)
    return likely[0]


def _header(text: _Text, delimiter: str) -> Sequence[str]:
    """The column names if this is the delimiter; none if the header is then not CSV."""
    try:
        first = next(text.records(delimiter), None)
    except InvalidInput:
        return []
    return [] if first is None else [clean_name(str(cell)) for cell in first.cells]


def _fits_all(text: _Text, delimiter: str) -> bool:
    """Whether the rows have as many cells as the header."""
    try:
        counts = {len(row.cells) for row, _ in zip(text.records(delimiter), range(_MAX_ROWS_COMPARED), strict=False)}
    except InvalidInput:
        return False
    return len(counts) == 1
