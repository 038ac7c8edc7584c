"""A table in any kind of file: names of columns, and rows of cells with their numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from types import MappingProxyType
from typing import Final

from producer.campaigns.reading.looks.formats import SheetFormats
from producer.campaigns.reading.looks.shown import ShownNumber
from producer.campaigns.reading.report import Report
from seedance.problems import InvalidInput, Problem

MAX_COLUMNS: Final = 1_000
MAX_CELL_CHARS: Final = 131_072
"""Four times Excel's limit for a cell."""


@dataclass(frozen=True, slots=True)
class Broken:
    """A cell whose value cannot be used: `why` completes a sentence that begins with its column."""

    why: str


Cell = str | int | float | bool | date | time | datetime | timedelta | Broken | None
"""The value of a cell; in a text file always text. None or only spaces: the cell is empty."""


_NONE: Mapping[int, ShownNumber] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class TableRow:
    """A row that is not blank, with its number in a spreadsheet: blank rows count, line ends in cells do not. `shown`:
    by their places, the numbers for which the sheet shows something else, such as 15% for 0.15."""

    number: int
    cells: Sequence[Cell]
    shown: Mapping[int, ShownNumber] = field(default_factory=lambda: _NONE)


@dataclass(slots=True)
class Table:
    """A table. Its first row that is not blank names the `columns` ("": no name); the other `rows` are read lazily.

    `name` is used in the names of rows ("jobs.csv row 3"); `report` says how the file was read;
    `decimal_comma`: semicolons separate cells, because numbers contain commas; `delimited`: it is a text file, in which
    a cell that contains the delimiter must be quoted; `formats`: how its columns look, known when all rows have been
    read; None: it is no workbook.
    """

    name: str
    header_number: int
    columns: Sequence[str]
    rows: Iterator[TableRow]
    report: Report = field(default_factory=Report)
    decimal_comma: bool = False
    delimited: bool = False
    formats: SheetFormats | None = None

    def where(self, number: int) -> str:
        """The name of a row in messages."""
        return f"{self.name} row {number}"


def table_of(name: str, rows: Iterator[TableRow], report: Report, delimiter: str | None = None) -> Table | None:
    """Make a table whose first row names the columns; None: there is no row. `delimiter`: that of a text file.

    Raises:
        InvalidInput: there are too many columns.
    """
    first = next(rows, None)
    if first is None:
        return None
    columns = [clean_name(as_text(cell)) for cell in first.cells]
    while columns and not columns[-1]:
        columns.pop()
    if len(columns) > MAX_COLUMNS:
        message = f"has {len(columns):,} columns; at most {MAX_COLUMNS:,} can be read"
        raise InvalidInput([Problem("", message)], f"{name} row {first.number}")
    return Table(
        name, first.number, columns, rows, report, decimal_comma=delimiter == ";", delimited=delimiter is not None
    )


_UNSEEN: Final = dict.fromkeys(
    map(ord, "\ufeff\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
)
"""Byte order marks, spaces without width, and marks of the direction of writing: spreadsheets in Arabic and Hebrew have
them, and so has a path that was copied in Windows."""


def without_unseen(text: str) -> str:
    """A text without characters that have no shape."""
    return text.translate(_UNSEEN)


def clean_name(text: str) -> str:
    """The name of a column without unseen characters and outer spaces; a line end within it becomes a space."""
    return " ".join(without_unseen(text).split())


def is_empty(cell: Cell) -> bool:
    """Whether a cell has no visible content."""
    return cell is None or (isinstance(cell, str) and not without_unseen(cell).strip())


def as_text(cell: Cell) -> str:
    """A cell as text: as far as possible the same for a workbook and for a CSV file saved from it."""
    match cell:
        case None | Broken():
            return ""
        case bool():
            return "TRUE" if cell else "FALSE"
        case float():
            return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)
        case datetime():
            return cell.isoformat(" ", "seconds")
        case time():
            return cell.isoformat("auto" if cell.microsecond else "seconds" if cell.second else "minutes")
        case date():
            return cell.isoformat()
        case _:
            return str(cell)


def letter_of(index: int) -> str:
    """The letters of a column in a spreadsheet: A for 0, AA for 26."""
    letters = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def named(columns: Sequence[str], index: int) -> str:
    """A column in messages: its name, or its letters if it has no name."""
    return columns[index] if index < len(columns) and columns[index] else f"column {letter_of(index)}"


def cell_too_long(name: str, number: int, index: int) -> InvalidInput:
    """The error for a cell above the limit."""
    message = f"is longer than {MAX_CELL_CHARS:,} characters"
    return InvalidInput([Problem(f"column {letter_of(index)}", message)], f"{name} row {number}")


def merged(name: str, place: str) -> InvalidInput:
    """The error for merged cells: only the first has a value, and only the author knows what the others mean."""
    message = f"has merged cells ({place}); unmerge them and fill every cell, and remove titles above the header"
    return whole_file(name, message)


def whole_file(name: str, message: str) -> InvalidInput:
    """An error about a file as a whole."""
    return InvalidInput([Problem("", message)], name)
