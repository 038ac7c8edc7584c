"""Texts with placeholders: what they can do, and that each of them ends."""

from __future__ import annotations

import pytest

from producer.campaigns.reading.table import MAX_CELL_CHARS
from producer.campaigns.templates.engine import ROW, Text

CELLS = {"product": "Lamp", "产品名": "露营灯", "Selling point": "waterproof", "price": "12"}
VALUES = {**CELLS, "selling_point": "waterproof", "note": "", ROW: CELLS}


@pytest.mark.parametrize(
    ("source", "made"),
    [
        ("A {{ product }} on a table", "A Lamp on a table"),
        ("{{ 产品名 }}：{{ row['产品名'] }}", "露营灯：露营灯"),
        ('{{ row["Selling point"] }} {{ selling_point }} {{ row.product }}', "waterproof waterproof Lamp"),
        ("{{ product | upper }} {{ product.lower() }} {{ product[:2] }}", "LAMP lamp La"),
        ("{{ colour | default('red') }}{{ row.get('size', '') }}{{ note }}", "red"),
        ("{% if note %}{{ note }}{% else %}nothing{% endif %}", "nothing"),
        ("{% if colour is defined %}{{ colour }}{% endif %}.", "."),
        ("{{ price | int * 2 }} {{ [product, price] | join('/') }} {{ product ~ '!' }}", "24 Lamp/12 Lamp!"),
        ("{{ product | replace('L', 'C') }}{# a remark #}", "Camp"),
    ],
)
def test_a_text_takes_the_cells_of_its_row(source: str, made: str) -> None:
    assert Text(source).fill(VALUES) == made


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{% for a in range(100000) %}{% for b in range(100000) %}x{% endfor %}{% endfor %}", "cannot loop"),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "cannot loop"),
        ("{% set a = product %}", "cannot use {% set %}"),
        ("{% include '/etc/passwd' %}", "cannot include"),
        ("{{ 10 ** 10 ** 10 }}", "cannot use **"),
        ("{{ range(3) }}", "only these can be called"),
        ("{{ product.ljust(1000000000) }}", "only these can be called"),
        ("{{ product.format() }}", "only these can be called"),
        ("{{ product | center(1000000000) }}", "there is no filter 'center'"),
        ("{{ product", "is no template"),
        ("{{ nonsense( }}", "is no template"),
        ("{{" + "(" * 3000 + "1" + ")" * 3000 + "}}", "nested too deeply"),
        ("x" * 40_000, "is longer than"),
    ],
    ids=lambda value: value[:30],
)
def test_a_text_that_may_not_end_is_refused(source: str, said: str) -> None:
    with pytest.raises(ValueError, match=r"\S") as caught:
        Text(source)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{{ produkt }}", "there is no column 'produkt'; the columns are product, 产品名"),
        ("{{ row['Size'] }}", "there is no column 'Size'"),
        ("{{ row.items }}", "there is no column 'items'"),
        ("{{ 'x' * 1000000000 }}", "* is for numbers"),
        ("{{ '%1000000000d' % 1 }}", "% is for numbers"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ product.__class__ }}", "unsafe"),
        ("{{ product | replace('a', '" + "b" * 20_000 + "') | replace('b', 'cccccccccc') }}", "makes more than"),
    ],
    ids=lambda value: value[:30],
)
def test_a_text_that_cannot_be_filled_says_why(source: str, said: str) -> None:
    with pytest.raises(ValueError, match=r"\S") as caught:
        Text(source).fill(VALUES)
    assert said in str(caught.value)


def test_a_filled_text_is_no_longer_than_a_cell() -> None:
    with pytest.raises(ValueError, match="makes more than"):
        Text("{{ a }}{{ a }}").fill({"a": "x" * (MAX_CELL_CHARS - 1), ROW: {}})


def test_a_text_knows_what_a_row_must_have() -> None:
    text = Text("{{ a }}{{ b | default('') }}{% if c is defined %}{{ c }}{% endif %}{{ row['d'] }}{{ row.get('e') }}")
    assert text.names == {"a", "b", "c", "d", "e"}
    assert text.required == {"a", "d"}
