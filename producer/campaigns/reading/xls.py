"""Read workbooks of Excel before 2007 (XLS)."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import BinaryIO

import xlrd
from xlrd.biffh import error_text_from_code
from xlrd.sheet import Sheet

from producer.campaigns.reading.compound import has_endless_chain
from producer.campaigns.reading.looks.formats import NumberFormat, SheetFormats
from producer.campaigns.reading.looks.shown import ShownNumber, is_number, shown_number
from producer.campaigns.reading.table import (
    MAX_CELL_CHARS,
    Cell,
    TableRow,
    cell_too_long,
    is_empty,
    letter_of,
    merged,
    whole_file,
)
from producer.campaigns.reading.xlsx_numbers import DateKind, as_date


class Xls:
    """An open workbook."""

    def __init__(self, name: str, file: BinaryIO) -> None:
        """Read the list of sheets.

        Raises:
            InvalidInput: it is damaged, protected by a password, or not an Excel workbook.
        """
        self._name = name
        file.seek(0)
        content = file.read()
        if "EncryptedPackage".encode("utf-16-le") in content:
            raise whole_file(name, "is protected by a password; save it without one")
        if has_endless_chain(content):
            raise whole_file(name, "is damaged: the workbook is incomplete; open it in a spreadsheet and save it again")
        try:
            # Without formatting_info, xlrd shows neither merged cells nor hidden rows.
            self._book = xlrd.open_workbook(
                file_contents=content, formatting_info=True, on_demand=True, ragged_rows=True, logfile=io.StringIO()
            )
            names = self._book.sheet_names()
            visible = [self._book.sheet_by_index(index).visibility == 0 for index in range(len(names))]
        except Exception as exc:
            if "encrypted" in str(exc):
                raise whole_file(name, "is protected by a password; save it without one") from exc
            raise whole_file(name, f"is damaged, or not an Excel workbook: {exc or type(exc).__name__}") from exc
        self.sheets = {sheet: index for index, sheet in enumerate(names) if visible[index]}
        """The visible sheets and their positions, in order."""
        self.hidden = {sheet: index for index, sheet in enumerate(names) if not visible[index]}
        self.hidden_rows = 0
        self.formats = SheetFormats()

    def rows(self, sheet: str) -> Iterator[TableRow]:
        """The rows of a sheet that are not blank.

        Raises:
            InvalidInput: while iterating: it has merged cells.
        """
        found = self._book.sheet_by_index((self.sheets | self.hidden)[sheet])
        for top, bottom, left, right in found.merged_cells:
            raise merged(self._name, f"{letter_of(left)}{top + 1}:{letter_of(right - 1)}{bottom}")
        hidden = {number for number, info in found.rowinfo_map.items() if info.hidden}
        below_header, self.formats = False, SheetFormats()
        for number in range(found.nrows):
            cells = [self._cell(found, number, index) for index in range(found.row_len(number))]
            if not all(map(is_empty, cells)):
                self.hidden_rows += number in hidden
                if below_header:
                    for index, cell in enumerate(cells):
                        if not is_empty(cell):
                            self.formats.note(index, number + 1, self._format(found, number, index))
                below_header = True
                yield TableRow(number + 1, cells, self._shown(found, number, cells))

    def _shown(self, sheet: Sheet, row: int, cells: list[Cell]) -> dict[int, ShownNumber]:
        found = {
            index: shown_number(cell, self._format(sheet, row, index))
            for index, cell in enumerate(cells)
            if is_number(cell)
        }
        return {index: shown for index, shown in found.items() if shown is not None}

    def _format(self, sheet: Sheet, row: int, index: int) -> NumberFormat | None:
        found = self._book.format_map.get(self._book.xf_list[sheet.cell_xf_index(row, index)].format_key)
        return None if found is None else str(found.format_str)

    def _cell(self, sheet: Sheet, row: int, index: int) -> Cell:
        value = sheet.cell_value(row, index)
        match sheet.cell_type(row, index):
            case xlrd.XL_CELL_ERROR:
                return error_text_from_code.get(int(value), "#N/A")
            case xlrd.XL_CELL_BOOLEAN:
                return bool(value)
            case xlrd.XL_CELL_DATE:
                return as_date(float(value), DateKind.INSTANT, from_1904=self._book.datemode == 1)
            case xlrd.XL_CELL_NUMBER:
                number = float(value)
                return int(number) if number.is_integer() and abs(number) < 1e15 else number
        if isinstance(value, str) and len(value) > MAX_CELL_CHARS:
            raise cell_too_long(self._name, row + 1, index)
        return value or None
