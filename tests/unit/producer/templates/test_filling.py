"""Templates over whole sheets: fields, defaults, the matrix and variants."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from producer.campaigns.files import read_campaign
from producer.campaigns.reading.options import read_options
from producer.campaigns.templates.document import Template, parse_template, read_template
from producer.errors import BadRow
from producer.intake.intake import Row
from seedance.problems import InvalidInput

SHEET = "SKU,产品名,卖点,比例,备注\nP-1,耳机,降噪,9：16,\nP-2,杯子,保温,,x\n"


def template(text: str) -> Template:
    return parse_template(text, "t.yaml")


def rows_of(path: Path, made: Template | None, **options: Any) -> list[Row]:
    rows = list(read_campaign(path, read_options(template=made, **options)))
    assert all(isinstance(row, Row) for row in rows), [str(row) for row in rows]
    return [row for row in rows if isinstance(row, Row)]


@pytest.fixture
def sheet(tmp_path: Path) -> Path:
    path = tmp_path / "products.csv"
    path.write_text(SHEET, encoding="utf-8")
    return path


def test_a_prompt_takes_columns_by_their_own_names_by_fields_and_by_mapped_names(sheet: Path) -> None:
    made = read_template(None, "{{ 产品名 }} {{ product }} {{ row['卖点'] }} {{ ratio }} {{ sku }}")
    first, second = rows_of(sheet, made, mapped=["产品名=product"])
    assert first.fields["prompt"] == "耳机 耳机 降噪 9:16 P-1"
    assert second.fields["prompt"] == "杯子 杯子 保温  P-2"
    assert first.fields["ratio"] == "9:16", "columns that are fields still count"
    assert first.fields["metadata"] == {"SKU": "P-1", "product": "耳机", "卖点": "降噪"}
    assert (first.number, first.key) == (2, "P-1")


def test_fields_win_over_the_row_and_defaults_fill_what_it_leaves_empty(sheet: Path) -> None:
    made = template(
        'prompt: "{{ 产品名 }}"\n比例: "{{ ratio }}"\ntags: ["{{ 卖点 }}", all]\nmetadata: {who: "{{ SKU }}"}\n'
        "defaults: {ratio: 1:1, duration: 5, audio: no, tier: 快速}\n"
    )
    first, second = rows_of(sheet, made)
    assert (first.fields["ratio"], second.fields["ratio"]) == ("9:16", "1:1")
    assert first.fields["tags"] == ["降噪", "all"]
    assert first.fields["metadata"]["who"] == "P-1"
    assert (second.fields["duration"], second.fields["audio"], second.fields["tier"]) == (5, False, "fast")


def test_the_matrix_and_variants_multiply_a_row_each_with_its_own_key_and_seed(sheet: Path) -> None:
    made = template(
        'prompt: "{{ 产品名 }} in {{ language }} {{ variant }}"\nseed: 7\nvariants: 2\n'
        "matrix:\n  ratios: [16:9, 9:16]\n  language: [en, no]\n"
    )
    rows = rows_of(sheet, made, key="sku")
    assert len(rows) == 2 * 2 * 2 * 2
    assert [row.entity for row in rows[:4]] == ["P-1:16:9/en", "P-1:16:9/en/v2", "P-1:16:9/no", "P-1:16:9/no/v2"]
    assert [row.fields["prompt"] for row in rows[:4]] == [
        "耳机 in en 1",
        "耳机 in en 2",
        "耳机 in no 1",
        "耳机 in no 2",
    ]
    assert [row.fields["seed"] for row in rows[:2]] == [7, 8]
    assert [row.fields["ratio"] for row in rows[3:5]] == ["16:9", "9:16"]
    assert rows[1].fields["metadata"]["language"] == "en"
    assert rows[1].fields["metadata"]["variant"] == 2
    assert rows[1].where == "products.csv row 2 (16:9/en/v2)"
    assert {row.number for row in rows} == {2, 3}


def test_a_missing_column_is_one_error_and_a_bad_value_one_per_row(sheet: Path) -> None:
    with pytest.raises(InvalidInput, match="has no column 'product', which the template uses; its columns are SKU"):
        list(read_campaign(sheet, read_options(template=read_template(None, "{{ product }}"))))
    rows = list(
        read_campaign(sheet, read_options(template=template('prompt: "{{ 备注 }}{产品名}"\nduration: "{{ 卖点 }}"')))
    )
    assert [type(row) for row in rows] == [BadRow, BadRow]
    assert isinstance(rows[0], BadRow)
    assert [cell.column for cell in rows[0].cells] == ["prompt"]
    assert "'{产品名}', an unfilled placeholder" in rows[0].cells[0].message


def test_an_empty_cell_of_the_template_is_noted(sheet: Path) -> None:
    read = read_campaign(sheet, read_options(template=read_template(None, "{{ 产品名 }} {{ 备注 }}")))
    assert len(list(read)) == 2
    assert "products.csv: 备注 is empty in 1 row, and the template uses it" in read.notes
    assert read.report.used == ["产品名", "比例", "备注"]
    assert read.report.kept == ["SKU", "卖点"]


def test_objects_may_have_names_of_their_own_for_a_template(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"product": "lamp", "price": 3}\n{"product": "cup", "durration": 5}\n')
    good, bad = read_campaign(path, read_options(template=read_template(None, "{{ product }} for {{ row['price'] }}")))
    assert isinstance(good, Row)
    assert good.fields == {"prompt": "lamp for 3", "metadata": {"product": "lamp", "price": 3}}
    assert "durration: is not a field; if duration is meant" in str(bad)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "must have names and values"),
        ("- a", "must have names and values"),
        ("promt: x", "promt: is not a field; do you mean prompt?"),
        ("product: x", "product: is not a field; the fields are prompt"),
        ("prompt: x\n提示词: y", "提示词: sets prompt a second time"),
        ("prompt: '{% for a in b %}{% endfor %}'", "prompt: line 1: a template cannot loop"),
        ("prompt: x\nvariants: 0", "variants: must be 1 to 1000"),
        ("prompt: x\nvariants: yes", "variants: must be 1 to 1000"),
        ("prompt: x\nmatrix: {ratio: []}", "matrix.ratio: must be a list of values"),
        ("prompt: x\nmatrix: {ratio: [1:1, 1:1]}", "matrix.ratio: has a value twice"),
        ("prompt: x\nratio: 1:1\nmatrix: {ratios: [1:1]}", "matrix.ratios: sets ratio, which the template sets too"),
        ("prompt: x\nvariants: 600\nmatrix: {ratio: [1:1, 9:16]}", "makes 1,200 jobs of each row"),
        ("prompt: [x", "is not YAML"),
        ("prompt: &a x\ntags: [*a]", "anchors and aliases"),
        ("prompt: a\nprompt: b", "line 2: the key 'prompt' occurs twice"),
    ],
)
def test_a_wrong_template_is_one_clear_message(text: str, said: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        template(text)
    assert said in str(caught.value)
    assert str(caught.value).startswith("t.yaml: ")
