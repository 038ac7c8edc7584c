"""Read workbooks of LibreOffice and other programs (ODS): OpenDocument 1.3, part 3."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Final

from producer.campaigns.reading.archives import Archive, local
from producer.campaigns.reading.looks.formats import NumberFormat, SheetFormats, format_as_shown
from producer.campaigns.reading.looks.shown import ShownNumber, is_number, shown_text
from producer.campaigns.reading.table import (
    MAX_CELL_CHARS,
    MAX_COLUMNS,
    Broken,
    Cell,
    TableRow,
    cell_too_long,
    is_empty,
    letter_of,
    merged,
    whole_file,
)
from producer.campaigns.reading.xlsx import NO_RESULT
from seedance.problems import InvalidInput, Problem

MIMETYPE: Final = "application/vnd.oasis.opendocument.spreadsheet"
_CONTENT = "content.xml"
_DURATION = re.compile(r"PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:[.,]\d+)?S)?")


class Ods:
    """An open workbook."""

    def __init__(self, archive: Archive) -> None:
        """Read the names of the sheets.

        Raises:
            InvalidInput: it is damaged or protected by a password.
        """
        self._archive = archive
        self.sheets: dict[str, int] = {}
        """The visible sheets and their positions, in order."""
        self.hidden: dict[str, int] = {}
        self.hidden_rows = 0
        self.formats = SheetFormats()
        self._refuse_encrypted()
        self._read_sheets()

    def rows(self, sheet: str) -> Iterator[TableRow]:
        """The rows of a sheet that are not blank.

        Raises:
            InvalidInput: while iterating: the sheet is damaged, too wide, or has merged cells.
        """
        parser = _ContentParser(self._archive.name, (self.sheets | self.hidden)[sheet])
        self.formats = parser.formats
        for _ in self._archive.parse(_CONTENT, parser.start, parser.end, parser.text):
            for number, times, cells, shown in parser.take_rows():
                for more in range(times):
                    yield TableRow(number + more, cells, shown)
        self.hidden_rows = parser.hidden_rows

    def _refuse_encrypted(self) -> None:
        def start(name: str, given: dict[str, str]) -> None:
            if name == "encryption-data":
                raise whole_file(self._archive.name, "is protected by a password; save it without one")

        if "meta-inf/manifest.xml" in self._archive:
            self._archive.parse_all("META-INF/manifest.xml", start)

    def _read_sheets(self) -> None:
        hidden_styles: set[str] = set()
        style = ""
        place = depth = 0

        def start(name: str, given: dict[str, str]) -> None:
            nonlocal style, place, depth
            if name == "style":
                style = local(given, "name") or ""
            elif name == "table-properties" and local(given, "display") == "false":
                hidden_styles.add(style)
            elif name == "table":
                depth += 1
                if depth == 1:
                    hidden = local(given, "style-name") in hidden_styles
                    (self.hidden if hidden else self.sheets)[local(given, "name") or f"{place + 1}"] = place
                    place += 1

        def end(name: str) -> None:
            nonlocal depth
            depth -= name == "table"

        self._archive.parse_all(_CONTENT, start, end)


_Repeated = tuple[int, int, list[Cell], dict[int, ShownNumber]]


class _ContentParser:
    """Collects the rows of one table from the XML of the document."""

    def __init__(self, name: str, place: int) -> None:
        self._name, self._wanted, self._place = name, place, -1
        self._depth = 0
        self._rows: list[_Repeated] = []
        self._number, self._times, self._hidden = 1, 1, False
        self._cells: dict[int, Cell] = {}
        self._shown: dict[int, ShownNumber] = {}
        self._index = 0
        self._given: dict[str, str] = {}
        self._paragraphs: list[list[str]] = []
        self._chars = self._aside = self._in_paragraph = 0
        self.hidden_rows = 0
        self.formats = SheetFormats()
        self._below_header = False

    def take_rows(self) -> list[_Repeated]:
        """The rows since the last call: the number of the first, how many equal rows there are, their cells, and what
        is shown for numbers."""
        rows, self._rows = self._rows, []
        return rows

    @property
    def _here(self) -> bool:
        return self._depth == 1 and self._place == self._wanted

    def start(self, name: str, given: dict[str, str]) -> None:
        if name == "table":
            self._depth += 1
            self._place += self._depth == 1
        if not self._here:
            return
        if name == "table-row":
            self._cells, self._shown, self._index = {}, {}, 0
            self._times = _count(given, "number-rows-repeated")
            self._hidden = local(given, "visibility") in {"collapse", "filter"}
        elif name in {"table-cell", "covered-table-cell"}:
            self._given, self._paragraphs, self._chars = given, [], 0
            self._refuse_merged(given)
        elif name in {"annotation", "shape", "frame", "ruby-text"}:
            self._aside += 1
        elif name == "p" and not self._aside:
            self._in_paragraph += 1
            self._paragraphs.append([])
        elif self._in_paragraph and not self._aside:
            self._add({"s": " " * _count(given, "c"), "tab": "\t", "line-break": "\n"}.get(name, ""))

    def text(self, data: str) -> None:
        if self._in_paragraph and not self._aside:
            self._add(data)

    def _add(self, data: str) -> None:
        self._chars += len(data)
        if self._chars > MAX_CELL_CHARS:
            raise cell_too_long(self._name, self._number, self._index)
        self._paragraphs[-1].append(data)

    def end(self, name: str) -> None:
        if self._here:
            if name in {"annotation", "shape", "frame", "ruby-text"}:
                self._aside -= 1
            elif name == "p" and not self._aside:
                self._in_paragraph -= 1
            elif name in {"table-cell", "covered-table-cell"}:
                self._end_cell()
            elif name == "table-row":
                self._end_row()
        if name == "table":
            self._depth -= 1

    def _end_cell(self) -> None:
        times = _count(self._given, "number-columns-repeated")
        text = "\n".join("".join(parts) for parts in self._paragraphs)
        cell = self._cell(text)
        if not is_empty(cell):
            if self._index + times > MAX_COLUMNS:
                last = letter_of(self._index + times - 1)
                message = f"has a value in column {last}; at most {MAX_COLUMNS:,} columns can be read"
                raise InvalidInput([Problem("", message)], f"{self._name} row {self._number}")
            self._cells |= dict.fromkeys(range(self._index, self._index + times), cell)
            if (shown := self._shown_text(cell, text)) is not None:
                self._shown |= dict.fromkeys(range(self._index, self._index + times), shown)
            if self._below_header:
                for index in range(self._index, self._index + times):
                    self.formats.note(index, self._number, self._format(cell))
        self._index += times

    def _end_row(self) -> None:
        if self._cells:
            cells = [self._cells.get(index) for index in range(max(self._cells) + 1)]
            self._rows.append((self._number, self._times, cells, self._shown))
            self._below_header = True
            self.hidden_rows += self._hidden * self._times
        self._number += self._times

    def _refuse_merged(self, given: dict[str, str]) -> None:
        if _count(given, "number-columns-spanned") > 1 or _count(given, "number-rows-spanned") > 1:
            place = f"{letter_of(self._index)}{self._number}"
            raise merged(self._name, f"from {place}")

    def _format(self, cell: Cell) -> NumberFormat | None:
        """The format of the cell that ends here: that of its kind, as far as its text shows it. Their styles are in
        parts that need not come before it."""
        match cell:
            case bool() | str():
                return None
            case datetime():
                return "yyyy-mm-dd hh:mm:ss"
            case date():
                return "yyyy-mm-dd"
            case timedelta():
                return "[h]:mm:ss"
            case time():
                return "hh:mm:ss" if cell.second else "hh:mm"
        return format_as_shown("".join(self._paragraphs[0])) if len(self._paragraphs) == 1 else None

    def _shown_text(self, cell: Cell, text: str) -> ShownNumber | None:
        return shown_text(cell, text) if is_number(cell) else None

    def _cell(self, text: str) -> Cell:
        kind = local(self._given, "value-type")
        if kind is None:
            return Broken(NO_RESULT) if local(self._given, "formula") is not None else text or None
        try:
            return _typed(kind, self._given, text)
        except ValueError:
            return Broken(f"is damaged: {text[:40]!r} is not a {kind}")


def _typed(kind: str, given: dict[str, str], text: str) -> Cell:
    match kind:
        case "float" | "percentage" | "currency":
            number = float(local(given, "value") or "")
            return int(number) if number.is_integer() and abs(number) < 1e15 else number
        case "boolean":
            return local(given, "boolean-value") == "true"
        case "date":
            value = local(given, "date-value") or ""
            return datetime.fromisoformat(value) if "T" in value else date.fromisoformat(value)
        case "time":
            return _time(local(given, "time-value") or "")
        case _:
            return local(given, "string-value") or text


def _time(value: str) -> Cell:
    found = _DURATION.fullmatch(value)
    if found is None:
        raise ValueError(value)
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    if hours < 24 and minutes < 60 and seconds < 60:
        return time(hours, minutes, seconds)
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)


def _count(given: dict[str, str], name: str) -> int:
    text = local(given, name)
    return int(text) if text is not None and text.isdecimal() and 0 < len(text) < 8 else 1
