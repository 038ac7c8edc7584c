"""A table as it stands in a file, whatever the file is: names of columns, and rows of cells with their numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Final

from seedance.problems import InvalidInput, Problem

MAX_COLUMNS: Final = 1_000
MAX_CELL_CHARS: Final = 131_072
"""Four times what Excel lets into a cell."""


@dataclass(frozen=True, slots=True)
class Broken:
    """A cell that holds something, but no value: `why` completes the sentence that begins with its column."""

    why: str


Cell = str | int | float | bool | date | time | datetime | timedelta | Broken | None
"""What a cell holds; all are text in a text file. None and text of nothing but spaces: it is empty."""


@dataclass(frozen=True, slots=True)
class TableRow:
    """A row that is not blank, with its number as a spreadsheet counts: blank rows count, line ends in cells do not."""

    number: int
    cells: Sequence[Cell]


@dataclass(slots=True)
class Table:
    """The first row that is not blank names the columns, "" where it is empty; the others come as they are read.

    `name` is what rows are named by ("jobs.csv row 3"); `notes` say how the file was read, where that is not plain;
    `decimal_comma`: it separates cells by semicolons, because the comma is in numbers; `delimited`: it is a text file,
    in which a cell that holds the delimiter must be quoted.
    """

    name: str
    header_number: int
    columns: Sequence[str]
    rows: Iterator[TableRow]
    notes: list[str] = field(default_factory=list)
    decimal_comma: bool = False
    delimited: bool = False

    def where(self, number: int) -> str:
        """How a row is named in messages."""
        return f"{self.name} row {number}"


def table_of(name: str, rows: Iterator[TableRow], notes: list[str], delimiter: str | None = None) -> Table | None:
    """Take the first row for the names of the columns; None: there is no row at all. `delimiter`: of a text file.

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
        said = f"has {len(columns):,} columns; at most {MAX_COLUMNS:,} can be read"
        raise InvalidInput([Problem("", said)], f"{name} row {first.number}")
    return Table(
        name, first.number, columns, rows, notes, decimal_comma=delimiter == ";", delimited=delimiter is not None
    )


def clean_name(text: str) -> str:
    """The name of a column without marks and spaces around it; a line end within it is a space."""
    return " ".join(text.replace("\ufeff", "").replace("\u200b", "").split())


def is_empty(cell: Cell) -> bool:
    """Whether a cell holds nothing that can be seen."""
    return cell is None or (isinstance(cell, str) and not cell.strip("\ufeff\u200b").strip())


def as_text(cell: Cell) -> str:
    """A cell as text, the same from a workbook as from a CSV file of it, as far as the formats allow."""
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
    """What a spreadsheet calls a column: A for 0, AA for 26."""
    letters = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def named(columns: Sequence[str], index: int) -> str:
    """A column in words: its name, or its letter where it has none."""
    return columns[index] if index < len(columns) and columns[index] else f"column {letter_of(index)}"


def cell_too_long(name: str, number: int, index: int) -> InvalidInput:
    """The one message for cells beyond the limit."""
    said = f"is longer than {MAX_CELL_CHARS:,} characters"
    return InvalidInput([Problem(f"column {letter_of(index)}", said)], f"{name} row {number}")


def merged(name: str, place: str) -> InvalidInput:
    """The one message for merged cells: only the first has a value, and only the author knows what the others mean."""
    said = f"has merged cells ({place}); unmerge them and fill every cell, and remove titles above the header"
    return whole_file(name, said)


def whole_file(name: str, message: str) -> InvalidInput:
    """What is wrong with a file as a whole."""
    return InvalidInput([Problem("", message)], name)
