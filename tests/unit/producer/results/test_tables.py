"""The sheet with its results: nothing is run by a spreadsheet, and nothing of the sheet is lost."""

from __future__ import annotations

import csv
import io
from typing import Any, cast

import openpyxl
import orjson
import pytest

from producer.campaigns.files import read_rows
from producer.campaigns.reading.options import ReadingOptions
from producer.campaigns.reading.words import RESULT_COLUMNS, field_of
from producer.campaigns.results.columns import BESIDE, Links, values_of
from producer.campaigns.results.layout import Layout
from producer.campaigns.results.posters import smaller
from producer.campaigns.results.tables import as_csv, as_jsonl
from producer.campaigns.results.workbook import write_workbook
from producer.intake.intake import Row
from producer.web.language import catalogue
from storage.jobs.states import JobState
from tests.unit.producer.results.samples import Given, result
from tests.unit.producer.test_contact_sheet import RED

LINKS = Links(lambda found: f"https://s/{found.job.id}.mp4?X-Amz-Expires=1", lambda found: "https://s/poster.jpg")
COLUMNS = ["prompt", "SKU", "价格", "", "备注"]
EVIL = ["＝1+1", "＠SUM(A1)", "\n=1+1", "=1+1", "@SUM(A1)", "-2+3", "\t=1", "+cmd|' /C calc'!A0"]


def opened(out: io.BytesIO) -> Any:
    return openpyxl.load_workbook(out).active


def results() -> Any:
    failed = {"reason": "moderation_blocked", "error": {"code": "moderation_blocked", "message": "=HYPERLINK(1)"}}
    return Given(
        COLUMNS,
        [
            result(["a lamp", "0012", 12.5, None, "=1+1"], poster_key="p.jpg", cost={"amount": 5.0, "currency": "CNY"}),
            result(["a lamp, green\nand red", "0013", -3, True, "“”"], JobState.FAILED, number=3, **failed),
        ],
    )


def csv_rows(language: str = "en") -> list[list[str]]:
    text = b"".join(as_csv(results(), catalogue(language), LINKS)).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text, newline="")))


def test_csv_has_the_sheets_columns_and_then_the_results() -> None:
    header, first, second = csv_rows()
    assert header == [*COLUMNS, *(names[0] for names in RESULT_COLUMNS.values())]
    assert first[:5] == ["a lamp", "0012", "12.5", "", "'=1+1"]
    assert second[:5] == ["a lamp, green\nand red", "0013", "-3", "TRUE", "“”"]
    beside = dict(zip(BESIDE, second[5:], strict=True))
    assert (beside["state"], beside["gateway"], beside["row"]) == ("failed", "'=HYPERLINK(1)", "3")
    assert csv_rows("zh")[0][5:7] == ["reelq 状态", "reelq 原因"]


def test_words_of_reelq_are_not_the_gateways() -> None:
    lost = result(["a lamp"], JobState.FAILED, reason="abandoned", error={"code": "abandoned", "message": "given up"})
    assert values_of(lost, catalogue("en"), LINKS)["gateway"] is None


@pytest.mark.parametrize("cell", EVIL)
def test_no_text_is_a_formula(cell: str) -> None:
    given: Any = Given(["x"], [result([cell])])
    text = b"".join(as_csv(given, catalogue("en"), LINKS)).decode("utf-8-sig")
    assert list(csv.reader(io.StringIO(text, newline="")))[1][0] == f"'{cell}"
    out = io.BytesIO()
    write_workbook(out, ["x"], Layout(1, {}), [(result([cell]), None)], catalogue("en"), LINKS, "a/b:c")
    read = opened(out)["A2"]
    assert (read.data_type, read.value) == ("s", cell)


@pytest.mark.parametrize("cell", ["-3", "+49 170 1234", "-1,5", "12%", "a=b"])
def test_numbers_and_words_stay_as_they_are(cell: str) -> None:
    given: Any = Given(["x"], [result([cell])])
    assert f"\r\n{cell}," in b"".join(as_csv(given, catalogue("en"), LINKS)).decode().replace('"', "")


def test_a_workbook_has_types_links_and_pictures() -> None:
    out = io.BytesIO()
    picture = io.BytesIO()
    RED.save(picture, "JPEG")
    poster = smaller(picture.getvalue(), 160)
    assert poster is not None
    assert poster.width <= 160
    rows = list(results())
    assert (
        write_workbook(
            out,
            COLUMNS,
            Layout(len(COLUMNS), {}),
            [(rows[0], poster), (rows[1], None)],
            catalogue("en"),
            LINKS,
            "春季 [1]",
        )
        == 2
    )
    sheet = opened(out)
    places = {cell.value: cell.column for cell in sheet[1]}
    assert [cell.value for cell in sheet[2][:5]] == ["a lamp", "0012", 12.5, None, "=1+1"]
    assert [cell.value for cell in sheet[3][:5]] == ["a lamp, green\nand red", "0013", -3, True, "“”"]
    video = sheet.cell(2, places["reelq video link"])
    assert (video.value, video.hyperlink.target) == ("open", f"https://s/{rows[0].job.id}.mp4?X-Amz-Expires=1")
    assert sheet.cell(3, places["reelq video link"]).value is None, "a failed row has no video"
    assert sheet.cell(2, places["reelq cost"]).value == 5.0
    assert sheet.cell(2, places["reelq finished"]).is_date
    assert len(sheet._images) == 1


WRITTEN = [
    "-- a lamp",
    "'=1",
    "''@x",
    "'quoted' lamp",
    "2026-11-28",
    "2026-11-28 09:30:00",
    "2026-11-28 00:00:00",
    "9:16",
]


@pytest.mark.parametrize("suffix", ["csv", "xlsx"])
def test_an_export_reads_as_the_same_rows(suffix: str) -> None:
    columns = ["prompt", "=name", "note"]
    rows = [result([f"{text}", "-x", text], number=number) for number, text in enumerate(WRITTEN, 2)]
    file = io.BytesIO()
    if suffix == "csv":
        file.writelines(as_csv(cast("Any", Given(columns, rows)), catalogue("en"), LINKS))
    else:
        write_workbook(
            file, columns, Layout(len(columns), {}), [(row, None) for row in rows], catalogue("en"), LINKS, "x"
        )
    read = read_rows("out", io.BytesIO(file.getvalue()), suffix, ReadingOptions())
    again = [row.fields if isinstance(row, Row) else row for row in read]
    wanted = [{"prompt": text, "metadata": {"=name": "-x", "note": text}} for text in WRITTEN]
    assert again == wanted, "else a row would be new, and paid for again"


@pytest.mark.parametrize("title", ["\N{GRINNING FACE}" * 31, "History", "'", "a/b", "x" * 99])
def test_every_campaign_has_a_name_that_a_sheet_can_have(title: str) -> None:
    out = io.BytesIO()
    write_workbook(out, ["x"], Layout(1, {}), [(result(["1"]), None)], catalogue("en"), LINKS, title)
    name = opened(out).title
    assert 0 < len(name.encode("utf-16-le")) <= 62
    assert name.lower() != "history", "Excel calls the file damaged"


def test_dates_of_the_sheet_are_dates_in_a_workbook() -> None:
    out = io.BytesIO()
    days = ["2026-11-28", "2026-11-28 09:30:00", "2026-02-30", "1900-01-01", "2026-11-28 00:00:00"]
    write_workbook(out, ["x"], Layout(1, {}), [(result([day]), None) for day in days], catalogue("en"), LINKS, "x")
    assert [cell.is_date for cell in opened(out)["A"][1:]] == [True, True, False, False, False]


def _objects() -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in as_jsonl(results(), LINKS)]


def test_jsonl_has_the_job_the_cells_by_name_and_the_review() -> None:
    first, second = _objects()
    assert first["columns"] == {"prompt": "a lamp", "SKU": "0012", "价格": 12.5, "备注": "=1+1"}
    assert second["columns"]["column 4"] is True
    assert (first["row"], first["review"]["state"], second["video_url"]) == (2, "open", None)
    assert first["video_url"].startswith("https://s/")


def test_the_columns_of_results_are_not_read_back() -> None:
    header, first, _ = csv_rows()
    assert not [name for names in RESULT_COLUMNS.values() for name in names if field_of(name) == "prompt"]
    table = io.StringIO()
    csv.writer(table).writerows([header, first])
    found = read_rows("x.csv", io.BytesIO(table.getvalue().encode()), "csv", ReadingOptions())
    [row] = list(found)
    assert isinstance(row, Row)
    assert set(row.fields) | set(row.fields.get("metadata", {})) <= {"prompt", "metadata", "SKU", "价格", "备注"}


@pytest.mark.parametrize(
    "text", ["<r><t>x</t></r>", "a & b < c > d", " spaces ", "_x0041_", "tab\tline\nend", "\x01 control", "汉字 🎬"]
)
def test_every_text_comes_back_from_a_workbook_as_it_is(text: str) -> None:
    out = io.BytesIO()
    write_workbook(out, ["prompt"], Layout(1, {}), [(result([text]), None)], catalogue("en"), LINKS, "x")
    assert opened(io.BytesIO(out.getvalue()))["A1"].value == "prompt"
    [row] = read_rows("out", io.BytesIO(out.getvalue()), "xlsx", ReadingOptions())
    assert isinstance(row, Row)
    assert row.fields["prompt"] == text
