"""JSON arrays of jobs, item by item."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import pytest

from producer.campaigns.files import read_rows
from producer.campaigns.reading.json_objects import parse_items
from seedance.problems import InvalidInput

BROKEN = [
    ("", "must be a JSON list"),
    ('{"prompt": "a"}', "must be a JSON list"),
    ("[", "is not JSON"),
    ("[1 2]", "expected ',' or ']' after an item, at character 4"),
    ("[1,]", "is not JSON"),
    ("[1] 2", "more after the list, at character 5"),
    ("[NaN]", "NaN is not JSON"),
    ('[{"a": 1, "a": 2}]', "occurs twice"),
    ("[" * 100_000, "nested too deeply"),
    ("[" + "1" * 5_000 + "]", "thousands of digits"),
]


@pytest.mark.parametrize(("text", "why"), BROKEN)
def test_what_is_no_array_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why.replace("]", r"\]").replace("(", r"\(")):
        list(parse_items(text))


@pytest.mark.parametrize("text", ["[]", " [ ] ", "[1]", '[ "a" ,{"b": [2]},\n null ]'])
def test_items_are_those_of_the_whole(text: str) -> None:
    assert list(parse_items(text)) == json.loads(text)


def rows(body: str) -> list[Any]:
    return list(read_rows("body", BytesIO(body.encode()), "json"))


def test_each_object_is_a_row() -> None:
    found = rows('[{"prompt": "a fox", "duration": 5}, 3, {"prompt": "a lighthouse"}]')
    assert [getattr(row, "where", "") for row in found] == ["body item 1", "body item 2", "body item 3"]
    assert found[0].fields == {"prompt": "a fox", "duration": 5}
    assert isinstance(found[1], InvalidInput)


def test_an_empty_array_holds_no_jobs() -> None:
    with pytest.raises(InvalidInput, match="holds no jobs"):
        rows("[]")
