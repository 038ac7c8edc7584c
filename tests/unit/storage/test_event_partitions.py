"""When the next partition of the timelines begins and ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from storage.jobs.events.partitions import AHEAD, LEAST_AHEAD, Span, next_span

MIDNIGHT = datetime(2026, 11, 30, tzinfo=UTC)
DAY = timedelta(days=1)


def a_day(number: int) -> Span:
    return MIDNIGHT + number * DAY, MIDNIGHT + (number + 1) * DAY


def made(now: datetime, days: int, spans: list[Span]) -> list[Span]:
    """What is made, one partition after the other, until there are enough."""
    found: list[Span] = []
    while (span := next_span(now, days, sorted([*spans, *found]))) is not None:
        found.append(span)
    return found


@pytest.mark.parametrize("before", [timedelta(minutes=minutes) for minutes in (0, 1, 59, 60, 61, 719, 1439)])
def test_no_partition_begins_while_it_may_still_be_proved(before: timedelta) -> None:
    now = MIDNIGHT - before
    for spans in ([], [(now - DAY, now + timedelta(hours=1))]):
        (start, end), *_ = made(now, 1, spans)
        assert start >= now + LEAST_AHEAD
        assert start <= now + LEAST_AHEAD + DAY
        assert start.time() == MIDNIGHT.time()
        assert end == start + DAY


def test_it_follows_the_last_one_if_that_ends_late_enough() -> None:
    assert made(MIDNIGHT, 1, [a_day(0)]) == [a_day(1)]
    assert made(MIDNIGHT, 1, [a_day(0), a_day(1)]) == []


def test_a_clock_that_was_ahead_for_a_while_leaves_no_gap_and_no_overlap() -> None:
    spans = ahead = [a_day(365), a_day(366)]
    for hour in range(24 * 8):
        now = MIDNIGHT + timedelta(hours=hour)
        spans = sorted(spans + made(now, 1, spans))
        near = [span for span in spans if span not in ahead]
        assert near[-1][1] >= now + AHEAD
        assert all(before[1] == after[0] for before, after in pairwise(near))


def test_a_partition_ends_where_a_later_one_begins() -> None:
    assert made(MIDNIGHT, 30, [a_day(0), a_day(20)]) == [(a_day(1)[0], a_day(20)[0])]
