"""A workbook comes back as it looked: formats of numbers, dates, texts and widths, whatever program wrote it."""

from __future__ import annotations

import io
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import openpyxl
import orjson
import pytest
import xlsxwriter

from producer.campaigns.files import read_campaign
from producer.campaigns.reading.looks.formats import MAX_CHANGES, SheetFormats, column_format, format_as_shown
from producer.campaigns.reading.options import ReadingOptions
from producer.campaigns.results.columns import Links
from producer.campaigns.results.layout import Layout
from producer.campaigns.results.workbook import write_workbook
from producer.intake.intake import Row
from producer.web.language import catalogue
from tests.unit.producer.results.samples import result

SHEETS = Path(__file__).parents[1] / "reading" / "sheets"
LINKS = Links(lambda _: None, lambda _: None)
HEADER = ["提示词", "货号", "价格", "折扣", "上线", "开拍", "时段", "数量", "日期文字", "混合"]
FORMATS = ["General", "@", '"¥"#,##0.00', "0.0%", "yyyy/m/d", "yyyy-mm-dd hh:mm", "h:mm", "#,##0", "@", "0.00"]
ROWS = [
    ["一盏红灯", "0012", 1299.5, 0.125, date(2026, 12, 4), datetime.fromisoformat("2026-12-04 09:30"), time(9, 16),
     12000, "2026-12-04", 5],
    ["一盏蓝灯", "0013", 88, 0.5, date(2026, 1, 31), datetime.fromisoformat("2026-12-05"), time(18, 0),
     7, "2026-12-05", 6.5],
]  # fmt: skip
DOLLARS = "[$$-409]#,##0.00"


def by_openpyxl(path: Path) -> None:
    book = openpyxl.Workbook()
    sheet: Any = book.active
    sheet.append(HEADER)
    for row in ROWS:
        sheet.append(row)
    for cells in sheet.iter_rows(min_row=2):
        for cell, code in zip(cells, FORMATS, strict=True):
            cell.number_format = code
    sheet.cell(3, 10).number_format = DOLLARS
    sheet.column_dimensions["C"].width = 31
    book.save(path)


def by_xlsxwriter(path: Path) -> None:
    book = xlsxwriter.Workbook(str(path), {"constant_memory": True})
    sheet = book.add_worksheet()
    sheet.write_row(0, 0, HEADER, book.add_format({"num_format": "0.000", "bold": True}))
    formats = [book.add_format({"num_format": code}) for code in FORMATS]
    for number, row in enumerate(ROWS, 1):
        for place, value in enumerate(row):
            last = number == 2 and place == 9
            sheet.write(number, place, value, book.add_format({"num_format": DOLLARS}) if last else formats[place])
    sheet.set_column(2, 2, 30.29)  # with the margin, 31 in the file
    book.close()


def exported(path: Path) -> Any:
    """The sheet of an export of all rows of a file, as the campaign keeps them."""
    found = read_campaign(path, ReadingOptions())
    rows = [row for row in found if isinstance(row, Row)]
    report = found.report
    stored = orjson.loads(orjson.dumps([column.as_json() for column in report.formats]))
    formats = list(enumerate(column_format(item) for item in stored))
    columns = report.header
    results = []
    for row in rows:
        cells = orjson.loads(row.cells)
        results.append(result([*cells, *[None] * (len(columns) - len(cells))], number=row.number))
    out = io.BytesIO()
    layout = Layout(len(columns), {1: formats} if formats else {})
    write_workbook(out, columns, layout, [(item, None) for item in results], catalogue("en"), LINKS, "x")
    return openpyxl.load_workbook(out).active


def looks(sheet: Any, first: int, columns: int) -> list[list[tuple[object, str]]]:
    cells = sheet.iter_rows(min_row=first, max_row=first + 1, max_col=columns)
    return [[(cell.value, cell.number_format) for cell in row] for row in cells]


@pytest.mark.parametrize("write", [by_openpyxl, by_xlsxwriter])
def test_a_workbook_comes_back_with_its_values_formats_and_widths(tmp_path: Path, write: Any) -> None:
    write(path := tmp_path / "a.xlsx")
    ours = exported(path)
    assert looks(ours, 2, len(HEADER)) == looks(openpyxl.load_workbook(path).active, 2, len(HEADER))
    assert ours.column_dimensions["C"].width == pytest.approx(31, abs=0.1)
    assert ours.freeze_panes == "A2"


@pytest.mark.parametrize("name", ["formats.xls", "formats.ods"])
def test_older_and_open_workbooks_keep_money_percents_and_dates(name: str) -> None:
    first, second = looks(exported(SHEETS / name), 2, len(HEADER))
    assert [value for value, _ in first] == [
        *ROWS[0][:4],
        datetime.fromisoformat("2026-12-04"),
        *ROWS[0][5:],
    ]
    codes = [code for _, code in first]
    assert ("¥" in codes[2], codes[2].strip("_ ").endswith("0.00"), "%" in codes[3]) == (True, True, True)
    assert ("y" in codes[4].lower(), "h" in codes[6].lower(), "#,##0" in codes[7]) == (True, True, True)
    assert "¥" not in second[9][1], "an amount in dollars"


def test_a_sheet_without_formats_gives_dates_and_widths_as_before(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("prompt,when,sku\na lamp,2026-12-04,0012\n", "utf-8")
    sheet = exported(path)
    assert [cell.value for cell in sheet[2][:3]] == ["a lamp", datetime.fromisoformat("2026-12-04"), "0012"]
    assert sheet["B2"].number_format == "yyyy-mm-dd"


def test_a_column_whose_format_changes_too_often_is_shown_without_one() -> None:
    formats = SheetFormats()
    for row in range(2, MAX_CHANGES + 10):
        formats.note(0, row, "0.00" if row % 2 else "0%")
        formats.note(1, row, "@")
    mixed, text = formats.of_columns([0, 1])
    assert (mixed.changes, text.changes) == ([], [(2, "@")])


@pytest.mark.parametrize("code", [200, -3, 10**12, "0\x01", "0\n"])
def test_a_format_that_spoils_a_workbook_is_not_kept(code: int | str) -> None:
    formats = SheetFormats()
    formats.note(0, 2, "0.00")
    formats.note(0, 3, code)
    [column] = formats.of_columns([0])
    assert column.changes == [(2, "0.00"), (3, None)]


def test_a_text_that_looks_like_hours_beyond_every_date_stays_a_text(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet: Any = book.active
    sheet.append(["prompt", "length"])
    sheet.append(["a lamp", "999999999999 days, 1:00:00"])
    sheet["B2"].number_format = "[h]:mm"
    book.save(path := tmp_path / "a.xlsx")
    assert exported(path)["B2"].value == "999999999999 days, 1:00:00"


@pytest.mark.parametrize(
    ("shown", "code"),
    [
        ("¥1,234.50", '"¥"#,##0.00'),
        ("-¥5.00", '"¥"#,##0.00'),
        ("$ 5.00", '"$ "#,##0.00'),
        ("15 %", "0 %"),
        ("1,234.50 €", '#,##0.00" €"'),
        ("5秒", '0"秒"'),
        ('5"', None),
        ("9:16", None),
        ("12.50%", "0.00%"),
        ("12%", "0%"),
        ("12,000", "#,##0"),
        ("5.0", "0.0"),
        ("5", None),
        ("1.234,50 €", None),
        ("5,0", None),
        ("about 5", None),
    ],
)
def test_the_text_of_a_number_shows_its_format(shown: str, code: str | None) -> None:
    assert format_as_shown(shown) == code
