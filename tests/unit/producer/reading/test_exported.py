"""A JSONL export is read as the sheet that it came from."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any, cast

import pytest

from producer.campaigns.files import read_campaign
from producer.campaigns.reading.looks.formats import ColumnFormat
from producer.campaigns.reading.options import read_options
from producer.campaigns.results.columns import Links
from producer.campaigns.results.layout import Layout
from producer.campaigns.results.tables import as_jsonl
from producer.campaigns.templates.document import parse_template
from producer.campaigns.templates.filling import filled
from producer.intake.intake import Row
from tests.unit.producer.reading.reads import error_of, rows_of
from tests.unit.producer.results.samples import Given, result

COLUMNS = ["SKU", "提示词", "时长", "参考图", "备注"]


def exported(path: Path, *rows: Any, columns: list[str] = COLUMNS, layout: Layout | None = None) -> Path:
    out = io.BytesIO()
    links = Links(lambda _: "https://s/v.mp4", lambda _: "https://s/p.jpg")
    out.writelines(as_jsonl(cast("Any", Given(columns, rows, layout)), links))
    path.write_bytes(out.getvalue())
    return path


def test_the_rows_of_an_export_are_those_of_its_sheet(tmp_path: Path) -> None:
    first = ["0012", "一盏红灯", 5, ["https://a/1.png", "https://a/2.png"], "=1+1"]
    rows = [result(first, number=2, label=label) for label in ("16:9", "9:16")]
    path = exported(tmp_path / "out.jsonl", *rows, result(["0013", "一盏蓝灯", "6 秒", None, None], number=7))
    found, notes = rows_of(path)
    assert found == [
        (2, {"prompt": "一盏红灯", "duration": 5, "reference_images": ["https://a/1.png", "https://a/2.png"],
             "metadata": {"SKU": "0012", "备注": "=1+1"}}),
        (7, {"prompt": "一盏蓝灯", "duration": 6, "metadata": {"SKU": "0013"}}),
    ]  # fmt: skip
    assert notes[0] == "is an export of a campaign; read the columns of its sheet"


def test_numbers_look_in_prompts_as_in_the_sheet_that_was_exported(tmp_path: Path) -> None:
    """Else the same rows would make other prompts, and be paid for again."""
    columns = [(0, ColumnFormat()), (1, ColumnFormat([(2, "0%"), (3, None)])), (2, ColumnFormat([(2, '"¥"0.00')]))]
    rows = [result(["a", 0.15, 8], number=2), result(["b", 0.15, True], number=3)]
    names = ["prompt", "off", "price"]
    path = exported(tmp_path / "out.jsonl", *rows, columns=names, layout=Layout(3, {1: columns}))
    lines = [json.loads(text) for text in path.read_text("utf-8").splitlines()]
    assert [line.get("formats") for line in lines] == [{"off": "0%", "price": '"¥"0.00'}, None]
    template = parse_template('prompt: "{{ off }} off, {{ price }}"', "t.yaml")
    found = filled(read_campaign(path, read_options(template=template)), template)
    assert [row.fields["prompt"] for row in found if isinstance(row, Row)] == ["15% off, ¥8.00", "0.15 off, TRUE"]
    lines[0]["columns"]["off"], lines[1]["formats"] = 0.2, ["0%"]  # by hand
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), "utf-8")
    found = filled(read_campaign(path, read_options(template=template)), template)
    assert [row.fields["prompt"] for row in found if isinstance(row, Row)] == ["20% off, ¥8.00", "0.15 off, TRUE"]


def test_an_export_of_jobs_that_came_from_no_file_is_refused(tmp_path: Path) -> None:
    path = exported(tmp_path / "out.jsonl", result([], number=3), columns=[])
    assert "row 3 did not come from a file" in error_of(path)


@pytest.mark.parametrize("line", ['{"prompt": "a lamp"}', '{"prompt": "a lamp", "tags": ["row", "sheet"]}'])
def test_a_job_is_read_as_a_job(tmp_path: Path, line: str) -> None:
    path = tmp_path / "jobs.jsonl"
    path.write_text(f"{line}\n\n{line}\n", "utf-8")
    assert [number for number, _ in rows_of(path)[0]] == [1, 3]


def line(columns: dict[str, Any], **given: Any) -> str:
    marks = {"row": 2, "sheet": 1, "variant": "", "versions": 1, "video_url": None}
    return json.dumps({"columns": columns, **marks, **given})


@pytest.mark.parametrize("given", [{"row": [1]}, {"sheet": {"a": 1}}, {"row": 2**31}, {"row": True}])
def test_an_edited_export_with_an_impossible_place_still_has_its_rows(tmp_path: Path, given: dict[str, Any]) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text(line({"prompt": "a"}, **given), "utf-8")
    assert rows_of(path)[0] == [(2, {"prompt": "a"})]


def test_text_that_no_sheet_can_hold_is_refused_where_it_is(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    for value in ("\ud800", "x\0", ["\ud800"]):
        path.write_text(line({"prompt": "a", "note": value}), "utf-8")
        assert "row 2: note: holds NUL or half of a surrogate pair" in error_of(path)
    path.write_text(line({"prompt": "a", "\ud800": "b"}), "utf-8")
    assert "row 2 names a column with NUL or half of a surrogate pair" in error_of(path)
