"""The cells of a sheet as a workbook keeps them: stored cells have no dates, and dates have no format of their own."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from typing import Any, Final

from producer.campaigns.reading.looks.formats import NumberFormat
from producer.campaigns.reading.xlsx_numbers import date_kind

_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d(?: \d\d:\d\d:\d\d)?")
_TIME: Final = re.compile(r"\d\d:\d\d(?::\d\d)?")
_SPAN: Final = re.compile(r"(?:(\d+) days?, )?(\d{1,2}):(\d\d):(\d\d)")
_MAX_DAYS: Final = 2_958_465
"""The last day of the year 9999, the last one that a workbook can hold."""
_DAY_CHARS: Final = len("2026-11-28")
_FIRST_YEAR: Final = 1901
"""Excel counts the days of 1900 wrongly."""

Moment = datetime | date | time | timedelta


def shows_dates(code: NumberFormat) -> bool:
    """Whether a format shows a number as a date, a time, or hours."""
    return date_kind(*((code, None) if isinstance(code, int) else (0, code))) is not None


def moment_of(text: str) -> Moment | None:
    """The date, or the date and time, that a cell was before it was stored; None: it was another text. Only what reads
    as the same text again counts."""
    if not _DATE.fullmatch(text):
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    at_midnight = len(text) > _DAY_CHARS and found.time() == time()
    if at_midnight or found.year < _FIRST_YEAR:
        return None
    return found.date() if len(text) == _DAY_CHARS else found


def dated(cell: Any) -> Moment | None:
    """The same for a cell in a format of dates: a time of day, or hours that may be more than a day, too."""
    if not isinstance(cell, str):
        return None
    if _TIME.fullmatch(cell):
        try:
            return time.fromisoformat(cell)
        except ValueError:
            return None
    if found := _SPAN.fullmatch(cell):
        days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
        return timedelta(days, hours=hours, minutes=minutes, seconds=seconds) if days <= _MAX_DAYS else None
    return moment_of(cell)
