"""Names of columns: matched in any case and in two languages, mapped by the caller, or kept in metadata."""

from __future__ import annotations

from pathlib import Path

import pytest

from producer.campaigns.reading.words import WORDS, field_of, near_miss
from producer.intake.job_spec import JOB_FIELDS
from tests.unit.producer.reading.reads import error_of, rows_of

NAMES = [
    (" Prompt ", "prompt"), ("\ufeffprompt", "prompt"), ("First Frame", "first_frame"), ("FIRST-FRAME", "first_frame"),
    ("duration (s)", "duration"), ("时长（秒）", "duration"), ("视频时长", "duration"), ("宽高比", "ratio"),
    ("提示詞*", "prompt"),
    ("ｐｒｏｍｐｔ", "prompt"), ("首帧图片", "first_frame"), ("SKU", None), ("备注", None), ("price", None),
    ("round", None),
]  # fmt: skip


def saved(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "a.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_field_has_names() -> None:
    assert set(WORDS) == set(JOB_FIELDS)
    assert all(field_of(word) == field for field in WORDS for word in (field, *WORDS[field].split(", ")) if word)


@pytest.mark.parametrize(("name", "field"), NAMES)
def test_a_column_is_known_by_its_name(name: str, field: str | None) -> None:
    assert (field_of(name), near_miss(name) if field is None else None) == (field, None)


@pytest.mark.parametrize(
    ("name", "meant"),
    [("durration", "duration"), ("promt", "prompt"), ("raito", "ratio"), ("seeds", "seed"), ("时常", "时长")],
)
def test_a_misspelt_field_is_recognized(name: str, meant: str) -> None:
    assert near_miss(name) == meant


def test_unknown_columns_are_kept_in_metadata(tmp_path: Path) -> None:
    rows, notes = rows_of(saved(tmp_path, 'prompt,SKU,价格,metadata\na,P-1,¥186,"{""SKU"": ""mine""}"\nb,,,\n'))
    assert rows == [(2, {"prompt": "a", "metadata": {"SKU": "mine", "价格": "¥186"}}), (3, {"prompt": "b"})]
    assert notes == ["not used, kept in metadata: SKU, 价格"]


def test_columns_are_mapped_and_renamed(tmp_path: Path) -> None:
    path = saved(tmp_path, "产品名,Len,price\na cup,5,3\n")
    mapped = rows_of(path, mapped=["产品名=prompt", "len=duration"])[0]
    assert mapped == [(2, {"prompt": "a cup", "duration": 5, "metadata": {"price": "3"}})]
    assert rows_of(path, mapped=["产品名=prompt", "len=x"])[0][0][1]["metadata"] == {"x": "5", "price": "3"}


def test_a_field_mapped_to_nothing_is_kept_in_metadata(tmp_path: Path) -> None:
    path = saved(tmp_path, "prompt,duraton,tags\na,x,y\n")
    assert rows_of(path, mapped=["duraton=", "tags="])[0][0][1]["metadata"] == {"duraton": "x", "tags": "y"}


@pytest.mark.parametrize(
    ("mapped", "message"),
    [
        (["产品=prompt"], "a.csv row 1: map \"产品=prompt\": there is no column '产品'; the columns are 产品名, Len"),
        (["产品名"], "map: must be \"COLUMN=NAME\", not '产品名'"),
        (["a=prompt", "a=seed"], "map: maps 'a' twice"),
        (["产品名=promt"], "a.csv row 1: promt: is not a field; if prompt is meant"),
    ],
)
def test_an_invalid_mapping_is_refused(tmp_path: Path, mapped: list[str], message: str) -> None:
    assert error_of(saved(tmp_path, "产品名,Len\na,5\n"), mapped=mapped).startswith(message)


def test_marks_of_the_direction_of_writing_are_no_part_of_a_name(tmp_path: Path) -> None:
    rows, _ = rows_of(saved(tmp_path, "\u200fprompt,\u202aduration\u202c\nقطة على الجدار,\u200e5\n"))
    assert rows == [(2, {"prompt": "قطة على الجدار", "duration": 5})]
