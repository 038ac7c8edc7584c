"""What a number is in a workbook of Excel: its format alone tells dates from amounts (ECMA-376, part 1, 18.8.30)."""

from __future__ import annotations

import math
import re
from datetime import datetime, time, timedelta
from enum import Enum

from producer.campaigns.reading.table import Broken, Cell


class DateKind(Enum):
    """What a format shows of a number of days."""

    INSTANT = "a date, a time, or both"
    SPAN = "hours that may be more than a day"


_BUILT_IN = {*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)}
_NOT_SHOWN = re.compile(r'"[^"]*"|\\.|_.|\*.|\[(?!h|m|s)[^\]]*\]', re.IGNORECASE)
_SPAN = re.compile(r"\[(h+|m+|s+)\]", re.IGNORECASE)


def date_kind(number: int, code: str | None) -> DateKind | None:
    """The kind of date that a format shows, by its number and, if it is the author's own, its code; None: none."""
    if code is None:
        return (DateKind.SPAN if number == 46 else DateKind.INSTANT) if number in _BUILT_IN else None
    shown = _NOT_SHOWN.sub("", code.partition(";")[0])
    if _SPAN.search(shown):
        return DateKind.SPAN
    if "general" in shown.lower():
        return None
    return DateKind.INSTANT if re.search("[dmyhs]", shown, re.IGNORECASE) else None


def as_date(days: float, kind: DateKind, *, from_1904: bool) -> Cell:
    """A number of days as what its format shows: a time below one day, a date without a time, else both."""
    if not math.isfinite(days) or not 0 <= days < 2_958_466:  # the year 10000
        return Broken(f"is not a date that a spreadsheet has ({days:g})")
    seconds = round(days * 86400)
    if days < 1:
        minutes, second = divmod(min(seconds, 86399), 60)
        return time(minutes // 60, minutes % 60, second)
    if kind is DateKind.SPAN:
        return timedelta(seconds=seconds)
    # Excel believes that there was a 29 February 1900, which is day 60.
    first = datetime(1904, 1, 1) if from_1904 else datetime(1899, 12, 31 if days < 60 else 30)  # noqa: DTZ001 - no zones
    instant = first + timedelta(seconds=seconds)
    return instant if instant.time() != time() else instant.date()
