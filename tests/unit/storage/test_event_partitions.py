"""When the next partition of the timelines begins."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from storage.jobs.events.partitions import LEAST_AHEAD, next_start

MIDNIGHT = datetime(2026, 11, 30, tzinfo=UTC)


@pytest.mark.parametrize("before", [timedelta(minutes=minutes) for minutes in (0, 1, 59, 60, 61, 719, 1439)])
def test_no_partition_begins_while_it_may_still_be_proved(before: timedelta) -> None:
    now = MIDNIGHT - before
    start = next_start(now, last=now)  # the first one
    assert start >= now + LEAST_AHEAD
    assert start <= now + LEAST_AHEAD + timedelta(days=1)
    assert start.time() == MIDNIGHT.time()


def test_it_follows_the_last_one_if_that_ends_late_enough() -> None:
    assert next_start(MIDNIGHT, last=MIDNIGHT + timedelta(days=1)) == MIDNIGHT + timedelta(days=1)
