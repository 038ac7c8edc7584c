"""The number formats and widths of a sheet's columns, to give the sheet back as it looked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

NumberFormat = int | str
"""The number of a format that every spreadsheet knows (ECMA-376, part 1, 18.8.30), or else its code."""
MAX_CHANGES: Final = 5_000
"""In one sheet; columns that change their formats after that many are shown without any."""
MAX_CODE_CHARS: Final = 255
FIRST_OWN: Final = 164
"""From this number on, formats are a workbook's own, with a code."""
_GENERAL: Final = (None, 0, "General", "GENERAL", "")
_SHOWN: Final = re.compile(
    r"-?(?P<before>(?:[^\d.,\s%-]{1,4}\s?)?)-?(?P<digits>\d[\d,]*)(?P<rest>\.\d{1,9})?(?P<after>\s?(?:%|[^\d.,\s%()/:+-]{1,4})|)"
)


@dataclass(slots=True)
class ColumnFormat:
    """How a column looks. `changes`: from which row on, as a spreadsheet counts, its cells have which format; None: no
    format of their own. `width`: in characters; None: the usual one."""

    changes: list[tuple[int, NumberFormat | None]] = field(default_factory=list)
    width: float | None = None

    def as_json(self) -> dict[str, Any]:
        """What a campaign keeps of it; `column_format` reads it."""
        return {"changes": self.changes, "width": self.width}


def column_format(stored: dict[str, Any]) -> ColumnFormat:
    """What `ColumnFormat.as_json` made."""
    return ColumnFormat([(row, code) for row, code in stored["changes"]], stored["width"])


class SheetFormats:
    """Collects the formats of one sheet while it is read."""

    def __init__(self) -> None:
        self._columns: dict[int, ColumnFormat] = {}
        self._unclear: set[int] = set()
        self._changes = 0

    def note(self, index: int, row: int, code: NumberFormat | None) -> None:
        """Note the format of a cell below the header that has a value, in the order of the rows."""
        code = code if _is_known(code) else None
        changes = self._columns.setdefault(index, ColumnFormat()).changes
        if (changes[-1][1] if changes else None) == code:
            return
        self._changes += 1
        if self._changes > MAX_CHANGES:  # a format that is not noted would show dollars as yuan
            self._unclear.add(index)
        else:
            changes.append((row, code))

    def set_width(self, first: int, last: int, width: float) -> None:
        """Note the width of columns."""
        for index in range(first, last + 1):
            self._columns.setdefault(index, ColumnFormat()).width = width

    def of_columns(self, columns: Sequence[int]) -> list[ColumnFormat]:
        """The formats of these columns; none at all if no column has one, or a width."""
        if not self._columns:
            return []
        for index in self._unclear:
            self._columns[index].changes.clear()
        return [self._columns.get(index, ColumnFormat()) for index in columns]


def _is_known(code: NumberFormat | None) -> bool:
    """Whether every spreadsheet takes a workbook with this format; sheets hold others, too."""
    if code in _GENERAL:
        return False
    if isinstance(code, int):
        return 0 < code < FIRST_OWN
    return code is not None and len(code) <= MAX_CODE_CHARS and code.isprintable()


def format_as_shown(text: str) -> str | None:
    """The code of the format that shows a number as this text, such as `"¥"#,##0.00` for ¥1,234.50; None: unclear."""
    found = _SHOWN.fullmatch(text.strip())
    if found is None:
        return None
    grouped = "," in found["digits"]
    if grouped and not re.fullmatch(r"\d{1,3}(,\d{3})+", found["digits"]):
        return None  # a comma may also stand before decimals
    whole = "#,##0" if grouped or (found["before"] and not found["after"]) else "0"
    decimals = "." + "0" * (len(found["rest"]) - 1) if found["rest"] else ""
    before = f'"{found["before"]}"' if found["before"].replace('"', "") else ""
    after = found["after"] if found["after"].strip() in ("", "%") else f'"{found["after"]}"'
    code = f"{before}{whole}{decimals}{after}"
    return None if code == "0" or '""' in code or not (before or grouped or decimals or after) else code
