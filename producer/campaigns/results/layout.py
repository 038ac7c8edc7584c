"""How the columns of a campaign's sheets look, in the columns of its export."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence

from producer.campaigns.reading.looks.formats import ColumnFormat, NumberFormat

_NumberFormats = Sequence[NumberFormat | None]


class Layout:
    """The number formats of cells, and the widths of columns."""

    def __init__(self, width: int, sheets: Mapping[int, Sequence[tuple[int, ColumnFormat]]]) -> None:
        """`width`: how many columns the export has. `sheets`: by the number of the sheet: each of its columns, as the
        place in the export and its format; a sheet whose formats are not known is missing."""
        self._constant: dict[int, _NumberFormats] = {}
        self._changing: dict[int, list[tuple[int, list[int], list[NumberFormat | None]]]] = {}
        self.widths: list[float | None] = [None] * width
        """In characters, from the newest sheet that has one; None: the usual one."""
        for number in sorted(sheets):
            plain: list[NumberFormat | None] = [None] * width
            for place, column in sheets[number]:
                if column.width is not None:
                    self.widths[place] = column.width
                if column.changes:
                    plain[place] = column.changes[0][1]
                if len(column.changes) > 1:
                    rows, codes = zip(*column.changes, strict=True)
                    self._changing.setdefault(number, []).append((place, list(rows), list(codes)))
            self._constant[number] = plain

    def formats(self, sheet: int, number: int) -> _NumberFormats | None:
        """The number format of each cell of a row of a sheet, None: none of its own; None: nothing is known of it."""
        found = self._constant.get(sheet)
        changing = self._changing.get(sheet)
        if found is None or changing is None:
            return found
        found = list(found)
        for place, rows, codes in changing:
            before = bisect_right(rows, number)
            found[place] = codes[before - 1] if before else None
        return found
