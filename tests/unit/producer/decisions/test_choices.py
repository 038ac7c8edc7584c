"""Rows, keys, filters and fields as people write them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.campaigns.decisions.choice import choose, read_ranges
from producer.campaigns.decisions.fields import read_fields
from seedance.problems import InvalidInput


@pytest.mark.parametrize(
    ("text", "ranges"),
    [
        ("2-10,14", [(2, 10), (14, 14)]),
        (" 2 - 4 , 7 ", [(2, 4), (7, 7)]),
        ("2–4，9", [(2, 4), (9, 9)]),
        ("5", [(5, 5)]),
    ],
)
def test_ranges_are_read_as_people_type_them(text: str, ranges: list[tuple[int, int]]) -> None:
    assert read_ranges(text) == ranges


@pytest.mark.parametrize("text", ["", ",", "a", "0", "4-2", "-3", "2-", "2--4", "99999999999", "2 3"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="2-10,14"):
        read_ranges(text)


@given(st.lists(st.tuples(st.integers(1, 10**6), st.integers(0, 1000)), min_size=1, max_size=20))
def test_written_ranges_are_read_again(pairs: list[tuple[int, int]]) -> None:
    ranges = [(first, first + more) for first, more in pairs]
    assert read_ranges(",".join(f"{first}-{last}" for first, last in ranges)) == ranges


def test_nothing_chosen_is_no_choice_and_wrong_values_are_named() -> None:
    assert choose() is None
    everything, some = choose(all_rows=True), choose(keys=["L-1"], states=["Failed"])
    assert everything is not None and everything.wanted.numbers is None and not everything.names_rows
    assert some is not None and some.names_rows and some.wanted.keys == ["L-1"]
    for wrong, message in (
        ({"states": ["done"]}, "state: has no value 'done'; known are queued, "),
        ({"reviews": ["nice"]}, "known are open, approved, rejected"),
        ({"reasons": ["bad luck"]}, "docs/reasons.md"),
        ({"rows": "2", "all_rows": True}, "cannot be combined"),
    ):
        with pytest.raises(InvalidInput, match=message):
            choose(**wrong)


@pytest.mark.parametrize(
    ("texts", "fields"),
    [
        (["priority=9", "prompt=a=b"], {"priority": 9, "prompt": "a=b"}),
        (["duration=5 秒", "ratio=9：16"], {"duration": 5, "ratio": "9:16"}),
        (["tags=a, b", "seed="], {"tags": ["a", "b"], "seed": None}),
    ],
)
def test_fields_are_read_as_cells_of_a_sheet(texts: list[str], fields: dict[str, Any]) -> None:
    assert read_fields(texts) == fields


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([], "is missing"),
        (["priority"], "NAME=VALUE"),
        (["durration=5"], "is duration meant"),
        (["idempotency_key=x"], "cannot be changed"),
        (["priority=1", "priority=2"], "twice"),
        (["metadata=x"], "metadata"),
    ],
)
def test_other_fields_are_refused(texts: list[str], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        read_fields(texts)
