"""Read Excel workbooks (XLSX, XLSM) of Excel, WPS, Numbers, LibreOffice and Google: ECMA-376, part 1."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

from producer.campaigns.reading.archives import Archive, local
from producer.campaigns.reading.looks.formats import NumberFormat, SheetFormats
from producer.campaigns.reading.looks.shown import ShownNumber, is_number, shown_number
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
)
from producer.campaigns.reading.xlsx_numbers import DateKind, as_date, date_kind
from seedance.problems import InvalidInput, Problem

WORKBOOK: Final = "xl/workbook.xml"
_MERGED = re.compile(rb"<(?:\w+:)?mergeCell\s[^>]*?ref=\"([A-Z0-9$]+:[A-Z0-9$]+)\"")
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_REFERENCE = re.compile(r"\$?([A-Z]{1,3})\$?(\d{1,7})")
NO_RESULT: Final = "is a formula that was never calculated; open the file in a spreadsheet, save it, and try again"


class Xlsx:
    """An open workbook."""

    def __init__(self, archive: Archive) -> None:
        """Read the parts that all sheets share.

        Raises:
            InvalidInput: it is damaged.
        """
        self._archive = archive
        self.sheets: dict[str, str] = {}
        """The visible sheets and their members of the archive, in order."""
        self.hidden: dict[str, str] = {}
        self.hidden_rows = 0
        self._from_1904 = self._stale = False
        self._read_workbook()
        self._strings: list[str] | None = None
        self._codes = self._read_styles()
        self._dates = [date_kind(*_number_and_code(code)) for code in self._codes]
        self.formats = SheetFormats()

    def rows(self, sheet: str) -> Iterator[TableRow]:
        """The rows of a sheet that are not blank.

        Raises:
            InvalidInput: while iterating: the sheet is damaged, too wide, or has merged cells.
        """
        member = (self.sheets | self.hidden)[sheet]
        self._refuse_merged(member)
        if self._strings is None:
            self._strings = self._read_strings()
        parser = _SheetParser(self._archive.name, self._strings, self._dates, self._from_1904, self._stale)
        parser.codes, self.formats = self._codes, parser.formats
        for _ in self._archive.parse(member, parser.start, parser.end, parser.text):
            yield from parser.take_rows()
        self.hidden_rows = parser.hidden_rows

    def _read_workbook(self) -> None:
        targets = self._targets()
        found: list[tuple[str, str, bool]] = []

        def start(name: str, given: dict[str, str]) -> None:
            if name == "workbookPr":
                self._from_1904 = given.get("date1904") in {"1", "true"}
            elif name == "calcPr":  # set by programs that write formulas without calculating them
                self._stale = given.get("fullCalcOnLoad") in {"1", "true"}
            elif name == "sheet":
                target = targets.get(local(given, "id") or "")
                if target is not None:
                    found.append((given.get("name", ""), target, given.get("state", "visible") == "visible"))

        self._archive.parse_all(WORKBOOK, start)
        self.sheets = {name: target for name, target, visible in found if visible}
        self.hidden = {name: target for name, target, visible in found if not visible}

    def _targets(self) -> dict[str, str]:
        """The worksheets by their ids; sheets with only a chart are left out."""
        found: dict[str, str] = {}

        def start(name: str, given: dict[str, str]) -> None:
            if name == "Relationship" and given.get("Type", "").endswith("/worksheet"):
                target = given.get("Target", "")
                path = target.lstrip("/") if target.startswith("/") else str(PurePosixPath("xl") / target)
                found[given.get("Id", "")] = path

        self._archive.parse_all("xl/_rels/workbook.xml.rels", start)
        return found

    def _read_styles(self) -> list[NumberFormat]:
        """The number format of each cell style."""
        formats: dict[int, str] = {}
        styles: list[int] = []
        within = ""

        def start(name: str, given: dict[str, str]) -> None:
            nonlocal within
            if name in {"cellXfs", "cellStyleXfs", "dxfs"}:
                within = name
            elif name == "numFmt":
                formats[_int(given.get("numFmtId"))] = given.get("formatCode", "")
            elif name == "xf" and within == "cellXfs":
                styles.append(_int(given.get("numFmtId")))

        if "xl/styles.xml" in self._archive:
            self._archive.parse_all("xl/styles.xml", start)
        return [formats.get(number, number) for number in styles]

    def _read_strings(self) -> list[str]:
        """The shared texts of cells; pieces in different fonts are joined, readings (ruby) are left out."""
        strings: list[str] = []
        parts: list[str] = []
        taking = ruby = False

        def start(name: str, given: dict[str, str]) -> None:
            nonlocal taking, ruby
            if name == "si":
                parts.clear()
            elif name == "rPh":
                ruby = True
            elif name == "t":
                taking = not ruby

        def end(name: str) -> None:
            nonlocal taking, ruby
            if name == "si":
                strings.append(unescaped("".join(parts)))
            elif name == "rPh":
                ruby = False
            elif name == "t":
                taking = False

        def text(data: str) -> None:
            if taking:
                parts.append(data)

        if "xl/sharedstrings.xml" in self._archive:
            self._archive.parse_all("xl/sharedStrings.xml", start, end, text)
        return strings

    def _refuse_merged(self, member: str) -> None:
        before = b""
        for block in self._archive.blocks(member):
            if found := _MERGED.search(before + block):
                raise merged(self._archive.name, found[1].decode())
            before = block[-200:]


class _SheetParser:
    """Collects rows from the XML of a sheet."""

    def __init__(
        self, name: str, strings: list[str], dates: list[DateKind | None], from_1904: bool, stale: bool
    ) -> None:
        self._name, self._strings, self._dates = name, strings, dates
        self._from_1904, self._stale = from_1904, stale
        self._rows: list[TableRow] = []
        self._number, self._index, self._hidden = 0, -1, False
        self._cells: dict[int, Cell] = {}
        self._shown: dict[int, ShownNumber] = {}
        self._attributes: dict[str, str] = {}
        self._parts: list[str] = []
        self._chars = 0
        self._taking = self._ruby = self._formula = self._value = False
        self.hidden_rows = 0
        self.codes: list[NumberFormat] = []
        self.formats = SheetFormats()
        self._below_header = False
        self._styles: dict[int, str | None] = {}

    def take_rows(self) -> list[TableRow]:
        """The rows since the last call."""
        rows, self._rows = self._rows, []
        return rows

    def start(self, name: str, given: dict[str, str]) -> None:
        if name == "row":
            self._number = _int(given.get("r"), self._number + 1)
            self._index, self._cells, self._shown, self._hidden = -1, {}, {}, given.get("hidden") in {"1", "true"}
        elif name == "c":
            place = _REFERENCE.fullmatch(given.get("r", ""))
            self._index = _index_of(place[1]) if place else self._index + 1
            self._attributes, self._parts, self._chars = given, [], 0
            self._formula = self._value = False
        elif name == "f":
            self._formula = True
        elif name == "v":
            self._taking = self._value = True
        elif name == "rPh":
            self._ruby = True
        elif name == "col":
            self._note_width(given)
        elif name == "t":
            self._taking = self._value = not self._ruby or self._value
            self._taking = not self._ruby

    def text(self, data: str) -> None:
        if self._taking:
            self._chars += len(data)
            if self._chars > MAX_CELL_CHARS:
                raise cell_too_long(self._name, self._number, self._index)
            self._parts.append(data)

    def end(self, name: str) -> None:
        if name in {"v", "t"}:
            self._taking = False
        elif name == "rPh":
            self._ruby = False
        elif name == "c":
            cell = self._cell("".join(self._parts))
            if is_empty(cell):
                return
            if self._index >= MAX_COLUMNS:
                last = letter_of(self._index)
                message = f"has a value in column {last}; at most {MAX_COLUMNS:,} columns can be read"
                raise InvalidInput([Problem("", message)], f"{self._name} row {self._number}")
            self._cells[self._index] = cell
            if is_number(cell):
                shown = shown_number(cell, self._code(self._attributes.get("s")))
                if shown is not None:
                    self._shown[self._index] = shown
            if self._below_header and self._styles.get(self._index) != (style := self._attributes.get("s")):
                self._styles[self._index] = style
                self.formats.note(self._index, self._number, self._code(style))
        elif name == "row" and self._cells:
            self._below_header = True
            self.hidden_rows += self._hidden
            cells = [self._cells.get(index) for index in range(max(self._cells) + 1)]
            self._rows.append(TableRow(self._number, cells, self._shown))

    def _code(self, style: str | None) -> NumberFormat | None:
        number = _int(style)
        return self.codes[number] if number < len(self.codes) else None

    def _note_width(self, given: dict[str, str]) -> None:
        first, last = _int(given.get("min")), min(_int(given.get("max")), MAX_COLUMNS)
        width = given.get("width", "")
        if given.get("customWidth") in {"1", "true"} and first > 0 and re.fullmatch(r"\d{1,3}(\.\d{1,20})?", width):
            self.formats.set_width(first - 1, last - 1, round(float(width), 2))

    def _cell(self, raw: str) -> Cell:
        if self._formula and (not self._value or (self._stale and raw in {"", "0"})):
            return Broken(NO_RESULT)
        match self._attributes.get("t", "n"):
            case "s":
                index = _int(raw, -1)
                return self._strings[index] if 0 <= index < len(self._strings) else Broken("is damaged")
            case "str" | "inlineStr":
                return unescaped(raw)
            case "b":
                return raw.strip() in {"1", "true"}
            case "e":
                return raw
            case "d":
                return raw
        if not raw.strip():
            return None
        try:
            number = float(raw)
        except ValueError:
            return Broken(f"is damaged: {raw[:40]!r} is not a number")
        style = _int(self._attributes.get("s"))
        kind = self._dates[style] if style < len(self._dates) else None
        if kind is not None:
            return as_date(number, kind, from_1904=self._from_1904)
        return int(number) if number.is_integer() and abs(number) < 1e15 else number


def unescaped(text: str) -> str:
    """The text with the characters that XML cannot represent decoded: `_x000D_` is a carriage return."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text) if "_x" in text else text


def _index_of(letters: str) -> int:
    index = 0
    for letter in letters:
        index = index * 26 + ord(letter) - 64
    return index - 1


def _number_and_code(code: NumberFormat) -> tuple[int, str | None]:
    return (code, None) if isinstance(code, int) else (0, code)


def _int(text: str | None, otherwise: int = 0) -> int:
    return int(text) if text is not None and text.isdecimal() and len(text) < 10 else otherwise
