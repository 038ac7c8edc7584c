"""The sheet as it came, with the results beside each row, as an Excel workbook."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import IO, Any, Final

from producer.campaigns.reading.formulas import harmless
from producer.campaigns.reading.looks.formats import NumberFormat
from producer.campaigns.results.columns import BESIDE, TIMES, Links, Words, name_of, values_of
from producer.campaigns.results.layout import Layout
from producer.campaigns.results.own_values import dated, moment_of, shows_dates
from producer.campaigns.results.posters import Poster
from producer.campaigns.results.results import Result
from storage.jobs.states import JobState

POSTER_PX: Final = 160
MAX_LINKS: Final = 60_000
"""Excel opens at most 65,530 links in a sheet; later ones are text."""
_MAX_CELL: Final = 32_767
_MAX_URL: Final = 2_079
_MAX_NUMBER: Final = 1e15
"""Excel keeps fifteen digits."""
_OWN_WIDTH: Final = 18.0
_MARGIN: Final = 5 / 7
"""XlsxWriter adds it to each width, as Excel does when a person sets one; what was read has it."""
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
    layout: Layout,
    results: Iterable[tuple[Result, Poster | None]],
    words: Words,
    links: Links,
    title: str,
) -> int:
    """Write the workbook; returns the number of rows. Numbers, dates and columns look as in the sheet. Texts stay
    texts: nothing in a cell is ever a formula."""
    import xlsxwriter  # slow to import, and only this needs it

    from producer.campaigns.results.quick_sheet import QuickSheet

    options = {"constant_memory": True, "strings_to_urls": False, "strings_to_formulas": False, "remove_timezone": True}
    book = xlsxwriter.Workbook(file, options)
    try:
        return _Writer(book, book.add_worksheet(_sheet_name(title), QuickSheet), columns, layout, words, links).write(
            results
        )
    finally:
        book.close()


class _Writer:
    def __init__(self, book: Any, sheet: Any, columns: list[str], layout: Layout, words: Words, links: Links) -> None:
        self._book, self._sheet = book, sheet
        self._columns, self._layout, self._words, self._links = columns, layout, words, links
        self._number_formats: dict[NumberFormat, Any] = {}
        self._date_codes: set[NumberFormat | None] = set()
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
        for place, width in enumerate(self._layout.widths):
            sheet.set_column(place, place, _OWN_WIDTH if width is None else max(width - _MARGIN, 0))
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
            formats = self._layout.formats(result.row.sheet, result.row.number)
            for place, cell in enumerate(result.cells):
                code = None if formats is None else formats[place]
                self._write_own(count, place, cell, code, known=formats is not None)
            values = values_of(result, self._words, self._links)
            for place, column in enumerate(BESIDE, own):
                if column == "poster" and poster is not None:
                    picture = {
                        "image_data": io.BytesIO(poster.picture),
                        "x_offset": 4,
                        "y_offset": 4,
                        "object_position": 1,
                    }
                    sheet.insert_image(count, place, f"{result.shown.id}.jpg", picture)
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

    def _write_own(self, row: int, place: int, cell: Any, code: NumberFormat | None, *, known: bool) -> None:
        """A cell of the sheet itself, so that reading the workbook gives it back. `known`: whether it is known how the
        cell looked; if not, a text that is a date becomes one."""
        sheet = self._sheet
        number = self._number_format(code) if code is not None else None
        match cell:
            case None | "":
                return
            case bool():
                sheet.write_boolean(row, place, cell, number)
            case int() | float() if abs(cell) < _MAX_NUMBER:
                sheet.write_number(row, place, cell, number)
            case str():
                moment = dated(cell) if code in self._date_codes else None if known else moment_of(cell)
                if moment is not None:
                    usual = self._time if isinstance(moment, datetime) else self._day
                    sheet.write_datetime(row, place, moment, number or usual)
                else:
                    sheet.write_string(row, place, (harmless(cell) if cell[0] == "'" else cell)[:_MAX_CELL], number)
            case _:
                sheet.write_string(row, place, str(cell)[:_MAX_CELL])

    def _number_format(self, code: NumberFormat) -> Any:
        """The workbook's own format for cells of the sheet."""
        found = self._number_formats.get(code)
        if found is None:
            found = self._number_formats[code] = self._book.add_format({"num_format": code})
            if shows_dates(code):
                self._date_codes.add(code)
        return found


def _sheet_name(title: str) -> str:
    """A name that Excel takes: at most 31 characters of UTF-16, none of []:*?/\\, no apostrophe at either end, and not
    the one that it keeps for itself."""
    plain = "".join("-" if char in "[]:*?/\\" else char for char in title)
    short = plain.encode("utf-16-le", "ignore")[:62].decode("utf-16-le", "ignore").strip("'")
    return "results" if short.lower() in ("", "history") else short
