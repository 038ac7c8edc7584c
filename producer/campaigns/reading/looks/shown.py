"""The text that a spreadsheet shows for a number, by its format: 15% for 0.15, ¥1,234.50 for 1234.5."""

from __future__ import annotations

import math
import re
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import Final, NamedTuple, TypeGuard

from producer.campaigns.reading.looks.formats import NumberFormat, format_as_shown

_BUILT_IN: Final = {1: "0", 2: "0.00", 3: "#,##0", 4: "#,##0.00", 9: "0%", 10: "0.00%"}
"""Those that look the same in every language (ECMA-376, part 1, 18.8.30); 5 to 8 have the reader's own currency."""
_PARTS: Final = re.compile(
    r"""(?P<digits>[0\#][0\#,]*(?:\.[0\#]+)?|\.[0\#]+)
      | "(?P<quoted>[^"]*)"
      | \\(?P<escaped>.)
      | \[\$(?P<currency>[^\]\-]*)(?:-[^\]]*)?\]
      | (?P<color>\[(?:black|blue|cyan|green|magenta|red|white|yellow|color\s?\d+)\])
      | (?P<space>_.|\*.)
      | (?P<plain>[^0\#?,.@a-z*_\[\]"\\/;])""",
    re.IGNORECASE | re.VERBOSE,
)
_MAX_PLACES: Final = 15


class ShownNumber(str):
    """The text that a sheet shows for a number. Converted to a number it is what the cell holds: `"15%"|float` in a
    template is 0.15. `code`: the format; None: it is not known."""

    __slots__ = ("code", "value")

    code: NumberFormat | None
    value: float

    def __new__(cls, text: str, value: float, code: NumberFormat | None = None) -> ShownNumber:
        made = super().__new__(cls, text)
        made.value, made.code = value, code
        return made

    def __float__(self) -> float:
        return float(self.value)

    def __int__(self) -> int:
        return int(self.value)


class _Section(NamedTuple):
    before: str
    after: str
    percents: int
    grouped: bool
    least_whole: int
    least_places: int
    most_places: int


def is_number(cell: object) -> TypeGuard[float]:
    """Whether a cell holds a number; a boolean is none."""
    return isinstance(cell, int | float) and not isinstance(cell, bool)


def shown_number(number: float, code: NumberFormat | None) -> ShownNumber | None:
    """What a sheet shows for a number in this format; None: as it is, or the format is not one of the simple ones with
    digits, a percent sign, a currency and texts. Decimals have a point and thousands a comma, as in the format."""
    pattern = _BUILT_IN.get(code) if isinstance(code, int) else code
    sections = None if pattern is None else _sections(pattern)
    if sections is None or not math.isfinite(number) or abs(number) >= 1e15:
        return None
    place = 1 if number < 0 else 2 if number == 0 else 0
    section = sections[place if place < len(sections) else 0]
    if section is None:
        return None
    text = _digits(abs(Decimal(repr(number))) * 100**section.percents, section)
    # A section of its own says how a negative number looks; what rounds to zero has no sign.
    sign = "-" if number < 0 and len(sections) == 1 and re.search("[1-9]", text) else ""
    return _unless_plain(number, f"{sign}{section.before}{text}{section.after}", code)


def shown_text(number: float, text: str) -> ShownNumber | None:
    """The same for a number whose text the file has; None: it shows the number as it is, or nothing of it."""
    if not re.search(r"\d", text) or re.search(r"\dE[+-]?\d|\n", text):
        return None
    return _unless_plain(number, text, format_as_shown(text))


def _unless_plain(number: float, text: str, code: NumberFormat | None) -> ShownNumber | None:
    text = text.strip()
    return None if text == repr(number) else ShownNumber(text, number, code)


@lru_cache(maxsize=1024)
def _sections(code: str) -> tuple[_Section | None, ...]:
    """The parts of a format for positive numbers, negative ones and zero; None: it is not a simple one."""
    parts = re.split(r';(?=(?:[^"]*"[^"]*")*[^"]*$)', code.replace("\\;", '";"'))
    return tuple(_section(part) for part in parts[:3])


def _section(code: str) -> _Section | None:
    texts = ["", ""]
    digits: str | None = None
    percents = at = 0
    while at < len(code):
        found = _PARTS.match(code, at)
        if found is None:
            return None
        at = found.end()
        if found["digits"] is not None:
            if digits is not None:
                return None
            digits = found["digits"]
            continue
        if found["color"] or found["space"]:
            continue
        text = next(part for part in found.group("quoted", "escaped", "currency", "plain") if part is not None)
        percents += found["plain"] == "%"
        texts[digits is not None] += text
    if digits is None:
        return None
    whole, _, places = digits.partition(".")
    if whole.endswith(",") or len(places) > _MAX_PLACES:  # a comma at the end divides by a thousand
        return None
    return _Section(texts[0], texts[1], percents, "," in whole, whole.count("0"), places.count("0"), len(places))


def _digits(number: Decimal, section: _Section) -> str:
    rounded = number.quantize(Decimal(1).scaleb(-section.most_places), ROUND_HALF_UP)
    whole, _, places = f"{rounded:f}".partition(".")
    while len(places) > section.least_places and places.endswith("0"):
        places = places[:-1]
    whole = whole.lstrip("0").rjust(section.least_whole, "0")
    if section.grouped and whole.isdecimal():
        first = len(whole) % 3
        groups = [whole[:first]] * bool(first) + [whole[at : at + 3] for at in range(first, len(whole), 3)]
        whole = ",".join(groups)
    point = "." if section.most_places and (places or section.least_places) else ""
    return f"{whole}{point}{places}"
