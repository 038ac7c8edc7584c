"""The sheet as it came, with the results beside each row, as an Excel workbook."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping
from datetime import datetime, time
from typing import IO, Any, Final

from producer.campaigns.reading.formulas import harmless
from producer.campaigns.results.columns import BESIDE, TIMES, Links, Words, name_of, values_of
from producer.campaigns.results.posters import Poster
from producer.campaigns.results.results import Result
from storage.jobs.states import JobState

POSTER_PX: Final = 160
MAX_LINKS: Final = 60_000
"""Excel opens at most 65,530 links in a sheet; later ones are text."""
_MAX_CELL: Final = 32_767
_MAX_URL: Final = 2_079
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d(?: \d\d:\d\d:\d\d)?")
_DAY_CHARS: Final = len("2026-11-28")
_FIRST_YEAR: Final = 1901
"""Excel counts the days of 1900 wrongly."""
_WIDTHS: Final[Mapping[str, int]] = {
    "state": 12,
    "reason": 34,
    "advice": 44,
    "gateway": 44,
    "video": 12,
    "poster": 24,
    "comment": 30,
    "created": 19,
    "finished": 19,
    "job": 38,
}
_COLOURS: Final = {JobState.SUCCEEDED: "#1B7F4B", JobState.FAILED: "#C00000", JobState.UNCONFIRMED: "#B36B00"}
_OPEN: Final = {"en": "open", "zh": "打开"}


def write_workbook(
    file: IO[bytes],
    columns: list[str],
    results: Iterable[tuple[Result, Poster | None]],
    words: Words,
    links: Links,
    title: str,
) -> int:
    """Write the workbook; returns the number of rows. Texts stay texts: nothing in a cell is ever a formula."""
    import xlsxwriter  # slow to import, and only this needs it

    options = {"constant_memory": True, "strings_to_urls": False, "strings_to_formulas": False, "remove_timezone": True}
    book = xlsxwriter.Workbook(file, options)
    try:
        return _Writer(book, columns, words, links, title).write(results)
    finally:
        book.close()


class _Writer:
    def __init__(self, book: Any, columns: list[str], words: Words, links: Links, title: str) -> None:
        self._sheet = book.add_worksheet(_sheet_name(title))
        self._columns, self._words, self._links = columns, words, links
        self._bold = book.add_format({"bold": True, "bg_color": "#E9EEF6", "valign": "top"})
        self._own = book.add_format({"bold": True, "valign": "top"})
        self._wrap = book.add_format({"text_wrap": True, "valign": "top"})
        self._time = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss", "valign": "top"})
        self._day = book.add_format({"num_format": "yyyy-mm-dd", "valign": "top"})
        self._money = book.add_format({"num_format": "0.00##", "valign": "top"})
        self._link = book.add_format({"font_color": "#0563C1", "underline": 1, "valign": "top"})
        self._states = {state: book.add_format({"font_color": of, "valign": "top"}) for state, of in _COLOURS.items()}
        self._linked = 0

    def write(self, results: Iterable[tuple[Result, Poster | None]]) -> int:
        sheet, own = self._sheet, len(self._columns)
        sheet.freeze_panes(1, 0)
        sheet.set_column(0, max(own - 1, 0), 18)
        for place, column in enumerate(BESIDE, own):
            sheet.set_column(place, place, _WIDTHS.get(column, 12))
        for place, name in enumerate(self._columns):
            sheet.write_string(0, place, name[:_MAX_CELL], self._own)
        for place, column in enumerate(BESIDE, own):
            sheet.write_string(0, place, name_of(column, self._words.language), self._bold)
        count = 0
        for count, (result, poster) in enumerate(results, 1):
            if poster is not None:
                sheet.set_row_pixels(count, poster.height + 8)
            for place, cell in enumerate(result.cells):
                self._write_own(count, place, cell)
            values = values_of(result, self._words, self._links)
            for place, column in enumerate(BESIDE, own):
                if column == "poster" and poster is not None:
                    picture = {
                        "image_data": io.BytesIO(poster.jpeg),
                        "x_offset": 4,
                        "y_offset": 4,
                        "object_position": 1,
                    }
                    sheet.insert_image(count, place, f"{result.job.id}.jpg", picture)
                else:
                    self._write(count, place, column, values[column], result)
        sheet.autofilter(0, 0, count, own + len(BESIDE) - 1)
        return count

    def _write(self, row: int, place: int, column: str, value: Any, result: Result) -> None:
        if value is None:
            return
        if column in ("video", "poster"):
            self._write_link(row, place, str(value))
        elif column in TIMES and isinstance(value, datetime):
            self._sheet.write_datetime(row, place, value, self._time)
        elif column == "state":
            self._sheet.write_string(row, place, str(value), self._states.get(result.row.state))
        elif isinstance(value, int | float):
            self._sheet.write_number(row, place, value, self._money if column == "cost" else None)
        else:
            self._sheet.write_string(row, place, str(value)[:_MAX_CELL], self._wrap)

    def _write_link(self, row: int, place: int, url: str) -> None:
        self._linked += 1
        if self._linked > MAX_LINKS or len(url) > _MAX_URL:
            self._sheet.write_string(row, place, url[:_MAX_CELL])
        else:
            self._sheet.write_url(row, place, url, self._link, _OPEN.get(self._words.language, _OPEN["en"]))

    def _write_own(self, row: int, place: int, cell: Any) -> None:
        """A cell of the sheet itself, so that reading the workbook gives it back."""
        sheet = self._sheet
        match cell:
            case None | "":
                return
            case bool():
                sheet.write_boolean(row, place, cell)
            case int() | float() if abs(cell) < 1e15:
                sheet.write_number(row, place, cell)
            case str() if (moment := _moment(cell)) is not None:
                sheet.write_datetime(row, place, moment, self._day if len(cell) == _DAY_CHARS else self._time)
            case str() if cell.startswith("'"):
                sheet.write_string(row, place, harmless(cell)[:_MAX_CELL])
            case _:
                sheet.write_string(row, place, str(cell)[:_MAX_CELL])


def _moment(text: str) -> datetime | None:
    """The date, or the date and time, that a cell of the sheet was before it was stored; None: it was another text.
    Only what reads as the same text again counts."""
    if not _DATE.fullmatch(text):
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    at_midnight = len(text) > _DAY_CHARS and found.time() == time()
    return None if at_midnight or found.year < _FIRST_YEAR else found


def _sheet_name(title: str) -> str:
    """A name that Excel takes: at most 31 characters of UTF-16, none of []:*?/\\, no apostrophe at either end, and not
    the one that it keeps for itself."""
    plain = "".join("-" if char in "[]:*?/\\" else char for char in title)
    short = plain.encode("utf-16-le", "ignore")[:62].decode("utf-16-le", "ignore").strip("'")
    return "results" if short.lower() in ("", "history") else short
