"""A position in the log of events says which of them a reader has had, in whatever order they became visible."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.jobs.events.positions import MAX_GAPS, Position, parse_position

NUMBERS = st.lists(st.integers(1, 40), unique=True, max_size=40)


def after(numbers: Iterable[int]) -> Position:
    """The position of a reader that had these events, one after the other."""
    position = Position(0)
    for number in numbers:
        assert not position.has(number)
        position = position.with_event(number)
    return position


def had(position: Position) -> set[int]:
    return {number for number in range(1, 50) if position.has(number)}


@given(NUMBERS)
def test_it_knows_every_event_that_the_reader_had_and_no_other(numbers: list[int]) -> None:
    position = after(numbers)
    assert had(position) == set(numbers)
    assert parse_position(str(position)) == position


@given(NUMBERS, NUMBERS)
def test_two_readers_together_had_what_either_had(some: list[int], others: list[int]) -> None:
    assert had(after(some).joined(after(others))) == {*some, *others}


def test_most_are_a_number_alone_and_too_many_gaps_are_written_as_fewer() -> None:
    assert str(after([1, 2, 3])) == "3"
    assert str(after([1, 5, 3])) == "5.2.4"
    assert str(after([9, 3])) == "9.1-2.4-8"
    many = after(range(2, 4 * MAX_GAPS, 2))
    read = parse_position(str(many))
    assert read is not None
    assert len(read.gaps) == MAX_GAPS
    assert had(read) <= had(many), "a reader that continues there misses nothing"


@pytest.mark.parametrize("text", ["", "x", "-1", "1.", "1.2-", "5." + ".".join(["1"] * (MAX_GAPS + 1)), "9" * 19])
def test_anything_else_is_none(text: str) -> None:
    assert parse_position(text) is None
