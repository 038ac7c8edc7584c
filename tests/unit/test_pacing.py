"""Poll times and backoff stay in their bounds, spread out, and follow a task's age."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from worker.pacing import PollPacing, backoff_s

positive = st.floats(0.05, 3600, allow_nan=False)


@given(low=positive, spread=st.floats(1, 100), age_s=st.floats(0, 1e6), refresh_s=st.floats(0, 60), seed=st.integers())
def test_polls_stay_in_their_bounds(low: float, spread: float, age_s: float, refresh_s: float, seed: int) -> None:
    pacing = PollPacing(low, low * spread)
    wait_s = pacing.next_s(age_s, refresh_s, random.Random(seed))
    assert low * 0.89 <= wait_s <= low * spread * 1.11


def test_a_poll_is_late_by_at_most_a_third_of_the_generation_and_few_are_made() -> None:
    pacing = PollPacing(2.0, 60.0)
    age_s, polls, rng = 0.0, 0, random.Random(7)
    while age_s < 180:
        age_s += pacing.next_s(age_s, rng=rng)
        polls += 1
    assert age_s < 180 * 1.34
    assert polls <= 20


@given(failures=st.integers(1, 10_000), first_s=positive, factor=st.floats(1, 1000), seed=st.integers())
def test_backoff_is_capped_and_jittered(failures: int, first_s: float, factor: float, seed: int) -> None:
    wait_s = backoff_s(failures, first_s, first_s * factor, random.Random(seed))
    assert first_s / 2 <= wait_s <= first_s * factor


def test_backoff_doubles() -> None:
    whole = [max(backoff_s(n, 1.0, 1e6, random.Random(seed)) for seed in range(200)) for n in (1, 2, 3, 4)]
    assert [round(value) for value in whole] == [1, 2, 4, 8]
