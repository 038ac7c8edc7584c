"""A worksheet of XlsxWriter whose texts and numbers take a third of its time, in a workbook of constant memory.

It also writes every text as it is: XlsxWriter takes one that begins with `<r>` and ends with `</r>` for XML of its own,
and a cell of a sheet must not damage the workbook.
"""

from __future__ import annotations

import io
import re
from functools import cache
from typing import Any, Final

from xlsxwriter.utility import xl_col_to_name
from xlsxwriter.worksheet import CellDatetimeTuple, CellNumberTuple, CellStringTuple, Worksheet

_SPECIAL: Final = re.compile("[&<>\x00-\x08\x0b-\x1f\ufffe\uffff]|_x[0-9A-Fa-f]{4}_")
"""What XML does not take as it is, or a spreadsheet reads as an escape."""
_letters = cache(xl_col_to_name)


class QuickSheet(Worksheet):  # type: ignore[misc] # it has no types
    """Give this to `Workbook.add_worksheet`; rows are written in their order, and places are given as numbers."""

    fh: Any

    def write_string(self, row: int, col: int, text: str, cell_format: Any = None) -> Any:
        """As `Worksheet.write_string`, without looking for places such as A1."""
        return self._write_string(row, col, text, cell_format)

    def write_number(self, row: int, col: int, number: float, cell_format: Any = None) -> Any:
        """As `Worksheet.write_number`, likewise."""
        return self._write_number(row, col, number, cell_format)

    def _write_single_row(self, current_row_num: int = 0) -> None:
        file, self.fh = self.fh, io.StringIO()  # a file that can also be read takes its time for each write
        try:
            super()._write_single_row(current_row_num)
        finally:
            row, self.fh = self.fh.getvalue(), file
        file.write(row)

    def _write_cell(self, row: int, col: int, cell: Any) -> None:
        kind = type(cell)
        style = f' s="{cell.format._get_xf_index()}"' if cell.format else ""
        if kind is CellStringTuple:
            text = cell.string
            if _SPECIAL.search(text):
                text = self._escape_data(self._escape_control_characters(text))
            kept = ' xml:space="preserve"' if text[:1].isspace() or text[-1:].isspace() else ""
            self.fh.write(f'<c r="{_letters(col)}{row + 1}"{style} t="inlineStr"><is><t{kept}>{text}</t></is></c>')
        elif kind is CellNumberTuple or kind is CellDatetimeTuple:
            self.fh.write(f'<c r="{_letters(col)}{row + 1}"{style}><v>{cell.number:.16G}</v></c>')
        else:
            super()._write_cell(row, col, cell)
