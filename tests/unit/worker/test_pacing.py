"""Poll times and backoff stay within their bounds, spread out, and follow a task's age."""

from __future__ import annotations

import random
from itertools import chain
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.pacing import Exponential, Learnt, distributions, most_polls, simulate
from worker.polling.pacing import MIN_SAMPLE, Forecast, PollPacing
from worker.retry import Backoff

positive = st.floats(0.05, 3600, allow_nan=False)


@given(low=positive, spread=st.floats(1, 100), age_s=st.floats(0, 1e6), refresh_s=st.floats(0, 60), seed=st.integers())
def test_polls_stay_in_their_bounds(low: float, spread: float, age_s: float, refresh_s: float, seed: int) -> None:
    pacing = PollPacing(low, low * spread)
    wait_s = pacing.next_s(age_s, refresh_s, random.Random(seed))
    assert low * 0.89 <= wait_s <= low * spread * 1.11


def test_few_polls_find_a_video_late_by_at_most_a_third_of_its_generation() -> None:
    pacing = PollPacing(2.0, 60.0)
    age_s, polls, rng = 0.0, 0, random.Random(7)
    while age_s < 180:
        age_s += pacing.next_s(age_s, rng=rng)
        polls += 1
    assert age_s < 180 * 1.34
    assert polls <= 20


@given(failures=st.integers(1, 10_000), first_s=positive, factor=st.floats(1, 1000), seed=st.integers())
def test_backoff_is_capped_and_jittered(failures: int, first_s: float, factor: float, seed: int) -> None:
    wait_s = Backoff(first_s, first_s * factor).wait_s(failures, random.Random(seed))
    assert first_s / 2 <= wait_s <= first_s * factor


def test_backoff_doubles() -> None:
    whole = [max(Backoff(1.0, 1e6).wait_s(n, random.Random(seed)) for seed in range(200)) for n in (1, 2, 3, 4)]
    assert [round(value) for value in whole] == [1, 2, 4, 8]


samples = st.lists(st.floats(0.1, 3600), min_size=MIN_SAMPLE, max_size=64)


@given(sample=samples, low=positive, spread=st.floats(1, 100), age_s=st.floats(0, 1e5), seed=st.integers())
def test_a_forecast_keeps_polls_in_their_bounds(
    sample: list[float], low: float, spread: float, age_s: float, seed: int
) -> None:
    pacing = PollPacing(low, low * spread, Forecast(sample))
    wait_s = pacing.next_s(age_s, 0.0, random.Random(seed))
    assert low * 0.89 <= wait_s <= low * spread * 1.11


@given(sample=samples, age_s=st.floats(0, 4000))
def test_a_forecast_looks_ahead_and_ends_with_the_sample(sample: list[float], age_s: float) -> None:
    following = Forecast(sample).next_age_s(age_s)
    if age_s >= max(sample):
        assert following is None
    else:
        assert following is not None
        assert age_s < following <= max(sample)


@given(sample=samples, age_s=st.floats(0, 4000), refresh_s=st.floats(0, 60), seed=st.integers())
def test_a_gateway_is_not_polled_faster_than_it_refreshes(
    sample: list[float], age_s: float, refresh_s: float, seed: int
) -> None:
    wait_s = PollPacing(0.5, 60.0, Forecast(sample)).next_s(age_s, refresh_s, random.Random(seed))
    assert wait_s >= min(refresh_s, age_s * 0.3) * 0.9 - 0.5


@given(sample=samples)
def test_a_forecast_does_not_depend_on_the_order_of_its_sample(sample: list[float]) -> None:
    ages = [0.0, *sample]
    one, other = Forecast(sample), Forecast(sorted(sample, reverse=True))
    assert [one.next_age_s(age_s) for age_s in ages] == [other.next_age_s(age_s) for age_s in ages]


def test_a_forecast_starts_at_the_earliest_time_and_skips_the_gap_between_two_kinds() -> None:
    quick, slow = [10.0 + index / 10 for index in range(30)], [100.0 + index / 10 for index in range(30)]
    forecast = Forecast(quick + slow)
    first_s = forecast.next_age_s(0.0)
    assert first_s is not None
    assert 10.0 <= first_s <= 13.0
    between_s = forecast.next_age_s(13.0)
    assert between_s is not None
    assert 100.0 <= between_s <= 103.0


@pytest.mark.parametrize("median_s", [2.0, 20.0, 120.0])
@pytest.mark.parametrize("kind", ["stable", "bimodal"])
def test_a_forecast_needs_half_the_polls_of_exponential_backoff_and_finds_videos_earlier(
    kind: str, median_s: float
) -> None:
    times, seeds = distributions(median_s)[kind], range(1, 5)
    learnt = [simulate(times, Learnt(), 3000, seed) for seed in seeds]
    usual = [simulate(times, Exponential(), 3000, seed) for seed in seeds]
    assert sum(polls for polls, _ in learnt) <= most_polls(median_s) * sum(polls for polls, _ in usual)
    assert median(chain(*(waits for _, waits in learnt))) <= median(chain(*(waits for _, waits in usual)))


def test_a_forecast_notices_that_generations_became_faster() -> None:
    """No video is seen finished before the first poll, so a first poll that always finds one must come earlier."""
    _, waits = simulate(lambda rng, at: rng.uniform(90, 110) * (1 if at < 0.5 else 0.3), Learnt(), 600, seed=1)
    assert median(waits[300:350]) > 10.0
    assert median(waits[-100:]) < 5.0
