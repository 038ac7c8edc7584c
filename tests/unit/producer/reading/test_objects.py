"""YAML files, keys, and the report of how a file was read."""

from __future__ import annotations

from pathlib import Path

import pytest

from producer.campaigns.files import read_campaign
from producer.campaigns.reading.options import read_options
from producer.errors import BadRow
from producer.intake.intake import Row
from tests.unit.producer.reading.reads import error_of, rows_of


def test_yaml_keeps_ratios_and_words_as_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(
        "jobs:\n  - prompt: a cat\n    ratio: 16:9\n    audio: false\n    tags: [no, on]\n    duration: 5\n"
        "  - prompt: |\n      two\n      lines\n    deadline: 2100-01-01T00:00:00Z\n",
        encoding="utf-8",
    )
    rows, notes = rows_of(path)
    assert rows == [
        (2, {"prompt": "a cat", "ratio": "16:9", "audio": False, "tags": ["no", "on"], "duration": 5}),
        (7, {"prompt": "two\nlines\n", "deadline": "2100-01-01T00:00:00Z"}),
    ]
    assert notes == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "a.yaml: holds no jobs"),
        ("a: 1", "a.yaml: line 1: must be a list of jobs, or a list under `jobs:`"),
        ("- a cat", "a.yaml line 1: must have names and values, not 'a cat'"),
        ("- prompt: a\n  prompt: b\n", "a.yaml: line 2: the key 'prompt' occurs twice"),
        ("- &a prompt: x\n", "anchors and aliases"),
        ("- prompt: !!python/name:os.system\n", "could not determine a constructor"),
        ("- prompt: [\n", "is not YAML"),
        ("[" * 100_000, "is nested more than 32 deep"),
        ("- prompt: '{name} runs'\n", "prompt: holds '{name}', an unfilled placeholder"),
    ],
    ids=lambda value: value[:25],
)
def test_wrong_yaml_is_one_clear_message(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(text, encoding="utf-8")
    assert said in error_of(path)


def test_a_placeholder_in_jsonl_is_never_paid_for(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"prompt": "a {{ product }}"}\n{"prompt": "#REF!"}\n')
    bad = list(read_campaign(path))
    assert [type(row) for row in bad] == [BadRow, BadRow]
    assert "unfilled placeholder" in str(bad[0])
    assert "an error of the spreadsheet" in str(bad[1])


def test_a_key_names_rows_and_is_unique(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("prompt,Article No\na,1\nb,\nc,1\nd,2\n")
    rows = list(read_campaign(path, read_options(key="article no")))
    assert [row.entity for row in rows if isinstance(row, Row)] == ["1", "2"]
    assert [(row.number, row.cells[0].column) for row in rows if isinstance(row, BadRow)] == [
        (3, "article no"),
        (4, "article no"),
    ]
    assert "is also the key of row 2" in str(rows[2])
    assert 'key "sku": there is no column' in error_of(path, key="sku")


def test_a_column_that_looks_like_a_key_only_names_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("prompt,货号\na,1\nb,1\n", encoding="utf-8")
    rows = [row for row in read_campaign(path) if isinstance(row, Row)]
    assert [(row.key, row.entity) for row in rows] == [("1", None), ("1", None)]


def test_the_report_has_the_encoding_and_the_columns(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("提示词,时长,价格,reelq errors\n一只橘猫在老街上奔跑,5,¥1,x\n".encode("gb18030"))
    read = read_campaign(path, read_options(mapped=["价格=price"]))
    [row] = read
    assert isinstance(row, Row)
    assert row.fields == {"prompt": "一只橘猫在老街上奔跑", "duration": 5, "metadata": {"price": "¥1"}}
    assert (read.report.encoding, read.report.used, read.report.kept) == ("GB18030", ["提示词", "时长"], ["价格"])
