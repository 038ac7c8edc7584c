"""Workbooks as programs write them: openpyxl, XlsxWriter, and LibreOffice (the files in `sheets/`)."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter
from openpyxl import Workbook
from openpyxl.utils.datetime import CALENDAR_MAC_1904
from openpyxl.worksheet.worksheet import Worksheet
from python_calamine import load_workbook

from producer.campaigns.files import read_campaign
from producer.campaigns.reading import archives
from producer.campaigns.reading.options import read_options
from producer.campaigns.templates.document import read_template
from producer.errors import BadRow
from tests.unit.producer.reading.reads import error_of, rows_of

Change = Callable[[Workbook, Worksheet], object]
WORKBOOK, RELATIONS = "xl/workbook.xml", "xl/_rels/workbook.xml.rels"
SHEETS = Path(__file__).parent / "sheets"
CAMPAIGN = [
    (2, {"prompt": "一只橘猫在雨后奔跑", "duration": 5, "ratio": "9:16", "audio": True, "tags": ["春季", "新品"],
         "deadline": "2027-01-02T08:30:00", "metadata": {"SKU": "0012", "合计": "2"}}),
    (4, {"prompt": "A dog, asleep", "duration": 5, "ratio": "16:9", "audio": True, "tags": ["a", "b"],
         "metadata": {"SKU": "12", "合计": "24"}}),
    (5, {"prompt": "third", "duration": 6, "ratio": "16:9", "audio": False}),
]  # fmt: skip


def saved_workbook(
    tmp_path: Path, *rows: Sequence[object], change: Callable[[Workbook, Worksheet], object] | None = None
) -> Path:
    workbook = Workbook()
    sheet = workbook.worksheets[0]
    for row in rows:
        sheet.append(list(row))
    if change is not None:
        change(workbook, sheet)
    path = tmp_path / "a.xlsx"
    workbook.save(path)
    return path


@pytest.mark.parametrize("name", ["campaign.xlsx", "campaign.xls", "campaign.ods"])
def test_a_sheet_of_libreoffice_reads_the_same_in_every_format(name: str) -> None:
    rows, notes = rows_of(SHEETS / name)
    assert rows == CAMPAIGN
    assert notes == [
        "read the sheet Jobs",
        "not used, kept in metadata: SKU, 合计",
        "hidden or filtered rows are also read: 1",
    ]
    assert rows_of(SHEETS / name, sheet=" old ")[0] == [(2, {"prompt": "never"})]


@pytest.mark.parametrize("name", ["campaign.xlsx", "campaign.xls", "campaign.ods"])
def test_an_independent_reader_sees_the_same_prompts(name: str) -> None:
    seen = load_workbook(str(SHEETS / name)).get_sheet_by_name("Jobs").to_python()
    assert [row[0] for row in seen[1:] if row[0]] == [fields["prompt"] for _, fields in rows_of(SHEETS / name)[0]]


@pytest.mark.parametrize("name", ["merged.xls", "merged.ods"])
def test_merged_cells_are_refused_with_their_place(name: str) -> None:
    assert error_of(SHEETS / name).startswith(f"{name}: has merged cells (")


def test_inline_and_rich_text_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    workbook = xlsxwriter.Workbook(str(path), {"constant_memory": True})  # inline strings
    sheet = workbook.add_worksheet("Sheet")
    bold = workbook.add_format({"bold": True})
    sheet.write_row(0, 0, ["prompt", "seed", "duration", "tags", "code"])
    sheet.write_rich_string(1, 0, "a ", bold, "red", " kite\nhigh")
    sheet.write_number(1, 1, 4294967295)
    sheet.write_formula(1, 2, "=2+3", None, 5)
    sheet.write_string(1, 3, "007")
    sheet.write_string(1, 4, "_x000D_")
    workbook.close()
    row = {"prompt": "a red kite\nhigh", "seed": 4294967295, "duration": 5, "tags": ["007"]}
    assert rows_of(path)[0] == [(2, row | {"metadata": {"code": "_x000D_"}})]


def test_dates_and_long_numbers_keep_what_the_sheet_shows(tmp_path: Path) -> None:
    path = saved_workbook(
        tmp_path,
        ["prompt", "day", "when", "ean"],
        ["a", date(2027, 1, 5), datetime.fromisoformat("2027-01-05T08:00"), 4006381333931],
    )
    assert rows_of(path)[0][0][1]["metadata"] == {
        "day": "2027-01-05",
        "when": "2027-01-05 08:00:00",
        "ean": "4006381333931",
    }


def test_dates_of_old_mac_workbooks_count_from_1904(tmp_path: Path) -> None:
    def on_a_mac(workbook: Workbook, sheet: Worksheet) -> None:
        workbook.epoch = CALENDAR_MAC_1904
        sheet["C2"].number_format = "yyyy-mm-dd"

    day, when = date(2027, 1, 5), datetime.fromisoformat("2027-01-05T08:00")
    path = saved_workbook(tmp_path, ["prompt", "deadline", "first", "day"], ["a", when, 1, day], change=on_a_mac)
    [(_, fields)], _ = rows_of(path)
    assert fields["deadline"] == "2027-01-05T08:00:00"
    assert fields["metadata"] == {"first": "1904-01-02", "day": "2027-01-05"}
    other = load_workbook(str(path)).get_sheet_by_index(0).to_python()
    assert other[1][1:] == [when, date(1904, 1, 2), day], "an independent reader sees the same"


def test_the_sheet_is_asked_for_if_several_have_content(tmp_path: Path) -> None:
    def two(workbook: Workbook, _: Worksheet) -> None:
        workbook.create_sheet("Other").append(["prompt"])

    path = saved_workbook(tmp_path, ["prompt"], ["a"], change=two)
    assert error_of(path) == 'a.xlsx: has several sheets with content: Sheet, Other; choose one, as in --sheet "Sheet"'
    assert rows_of(path, sheet="Sheet") == ([(2, {"prompt": "a"})], ["read the sheet Sheet"])
    assert error_of(path, sheet="None") == "a.xlsx: sheet: there is no sheet 'None'; the sheets are Sheet, Other"


def _merge(_: Workbook, sheet: Worksheet) -> None:
    sheet.merge_cells("A1:B1")


@pytest.mark.parametrize(
    ("rows", "change", "message"),
    [
        ([["Spring"], ["prompt", "seed"], ["a", 1]], _merge, "a.xlsx: has merged cells (A1:B1); unmerge them"),
        ([["Spring"], [], ["prompt"], ["a"]], None, "a.xlsx row 1: does not name the columns, row 3 does; remove"),
        ([["prompt"], ["=A9"]], None, "a.xlsx row 2: prompt: is a formula that was never calculated; open the file"),
        ([["prompt", "total"], ["a", "=1+1"]], None, "a.xlsx row 2: total: is a formula that was never calculated"),
        ([["prompt"], ["#REF!"]], None, "a.xlsx row 2: prompt: holds #REF!, an error of the spreadsheet"),
        ([["prompt", "时长"], ["a", date(2027, 1, 5)]], None, "a.xlsx row 2: 时长: is a date or a time (2027-01-05)"),
        ([["prompt"], ["a", None, "b"]], None, "a.xlsx row 2: column C: has 'b' but no name; name it in row 1"),
        ([["prompt"], ["a"], [*[None] * 1_200, "b"]], None, "a.xlsx row 3: has a value in column ATE; at most 1,000"),
        ([], None, "a.xlsx: holds no jobs"),
    ],
)  # fmt: skip
def test_each_mistake_is_one_line_with_its_place(
    tmp_path: Path, rows: list[list[object]], change: Change | None, message: str
) -> None:
    assert error_of(saved_workbook(tmp_path, *rows, change=change)).startswith(message)


@pytest.mark.parametrize(
    ("row", "options", "faults"),
    [
        (
            ["a", 99, "4:7", "#N/A"],
            {},
            ["seed: holds #N/A", "ratio: must be", "时长 (duration): must be 4 to 30"],
        ),
        ([None, 5, "16:9", "#N/A"], {}, ["seed: holds #N/A", "prompt: is required"]),
        (["#REF!", 5, "4:7", 1], {}, ["prompt: holds #REF!", "ratio: must be"]),
        (["a", 99, "16:9", 1], {"key": "SKU"}, ["SKU: is empty; with --key", "时长 (duration): must be 4 to 30"]),
    ],
)
def test_a_cell_that_cannot_be_read_hides_no_other_fault_of_its_row(
    tmp_path: Path, row: list[object], options: dict[str, Any], faults: list[str]
) -> None:
    columns = ["prompt", "时长", "ratio", "seed", "last_frame", "SKU"]
    path = saved_workbook(tmp_path, columns, [*row, "https://a.example/b.png"])
    [bad] = read_campaign(path, read_options(**options))
    assert isinstance(bad, BadRow)
    assert [str(item)[: len(says)] for item, says in zip(bad.problems, faults, strict=True)] == faults
    assert len(bad.cells) == len(faults)


def test_a_field_that_a_template_fills_is_no_fault_of_its_row(tmp_path: Path) -> None:
    template = tmp_path / "t.yaml"
    template.write_text("prompt: a lamp\nduration: 5\n")
    path = saved_workbook(tmp_path, ["时长", "seed"], [99, "#N/A"])
    [bad] = read_campaign(path, read_options(template=read_template(template)))
    assert isinstance(bad, BadRow)
    assert [item.field for item in bad.problems] == ["seed"]


def zipped(members: Mapping[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return buffer.getvalue()


ENTITY = '<!DOCTYPE a [<!ENTITY a "aaaa">]><workbook>&a;</workbook>'


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.xlsx", b"prompt\na\n", "is not a workbook, despite its name"),
        ("a.ods", b"%PDF-1.7", "is a PDF"),
        ("a.xls", b"<html><table><tr><td>prompt", "is a web page or XML, despite its name"),
        ("a.xlsx", b"PK\x03\x04 and then nothing", "is damaged: the workbook is incomplete"),
        ("a.xlsx", zipped({"readme.txt": "x"}), "is not an Excel or LibreOffice workbook"),
        ("a.xlsx", zipped({"xl/workbook.bin": "x"}), "is a binary workbook (XLSB); save it as XLSX"),
        ("a.xlsx", zipped({WORKBOOK: "<a>", RELATIONS: "<a/>"}), "is damaged: xl/workbook.xml is not XML"),
        ("a.xlsx", zipped({WORKBOOK: ENTITY, RELATIONS: "<a/>"}), "declares a document type in its XML"),
        ("a.xls", bytes.fromhex("d0cf11e0a1b11ae1") + "EncryptedPackage".encode("utf-16-le"), "is protected by"),
        ("a.xls", bytes.fromhex("d0cf11e0a1b11ae1") + bytes(600), "is damaged, or not an Excel workbook"),
        ("a.csv", zipped({"a": "x"}), "is a ZIP archive or a workbook, not text; a workbook's name must end in .xlsx"),
    ],
)  # fmt: skip
def test_a_file_that_is_not_a_workbook_is_refused(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    assert error_of(path).startswith(f"{name}: {message}")


def test_an_endless_chain_of_sectors_is_reported_as_damage(tmp_path: Path) -> None:
    data = bytearray((SHEETS / "campaign.xls").read_bytes())
    (table,) = struct.unpack_from("<i", data, 76)  # the sector that says which sector follows each
    struct.pack_into("<ii", data, 512 + table * 512, 1, 0)
    path = tmp_path / "a.xls"
    path.write_bytes(data)
    assert error_of(path) == "a.xls: is damaged: the workbook is incomplete; open it in a spreadsheet and save it again"


def test_an_unknown_xml_encoding_is_reported_as_damage(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    path.write_bytes(zipped({WORKBOOK: "<a/>", RELATIONS: '<?xml version="1.0" encoding="x"?><a/>'}))
    assert error_of(path).startswith("a.xlsx: is damaged: xl/_rels/workbook.xml.rels is not XML")


def test_a_workbook_that_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved_workbook(tmp_path, ["prompt"], *[["a" * 1_000]] * 2_000)
    monkeypatch.setattr(archives, "MAX_UNPACKED_BYTES", 2**17)
    assert error_of(path).startswith("a.xlsx: unpacks to more than 0 MiB; split it")


@pytest.mark.parametrize("cut", range(1, 10))
@pytest.mark.parametrize("name", ["campaign.xlsx", "campaign.xls", "campaign.ods"])
def test_a_truncated_file_gives_an_error_without_a_traceback(tmp_path: Path, name: str, cut: int) -> None:
    data = (SHEETS / name).read_bytes()
    path = tmp_path / name
    path.write_bytes(data[: len(data) * cut // 10])
    assert error_of(path).startswith(f"{name}: is ")
