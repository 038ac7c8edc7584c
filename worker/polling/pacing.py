"""When to poll again. Pure; the random source is a parameter."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate

_GROWTH = 0.3  # the next poll comes after this share of the age: late by at most that much of the generation
_JITTER, _FORECAST_JITTER = 0.1, 0.05
MIN_SAMPLE = 8
# The price of a poll: one more must find a video this many seconds, plus this share of the median, earlier.
_POLL_COST_S, _POLL_COST_SHARE = 0.5, 0.02
_TAIL_GROWTH = 0.5
_UNSEEN = 0.5  # expected number of times beyond the largest in the sample


class Forecast:
    """The ages at which to poll, learnt from recent generation times of the same kind of video.

    Of all plans that poll at times in the sample, this one has the lowest expected cost: the time that a finished video
    waits to be found, plus a price for every poll.
    """

    def __init__(self, seconds: Iterable[float], known_s: float = 0.0, most: int = 0) -> None:
        """`seconds`: recent generation times. `known_s`: the age up to which is known what happens; older tasks are
        polled as if nothing were. `most`: how many times there are with those that are longer than that."""
        self._times = sorted(seconds)
        self.known_s = known_s
        self._all = max(most, len(self._times))
        self._next = _plan(self._times, max(_UNSEEN, self._all - len(self._times))) if self._times else []

    def next_age_s(self, age_s: float) -> float | None:
        """The age for the next poll of a task that is unfinished at `age_s`; None if it is older than the sample."""
        passed = bisect_right(self._times, age_s)
        if passed == len(self._times):
            return None
        target_s = self._times[self._next[passed]]
        # The last tenth of the sample is sparse: the gap to its next time is chance.
        return min(target_s, age_s * (1 + _TAIL_GROWTH)) if passed >= self._all * 0.9 else target_s


def _plan(times: list[float], longer: float) -> list[int]:
    """By i, for a task that is unfinished and older than the first i times: the index of the time of its next poll.

    `longer`: how many times are expected beyond the last.
    """
    n = len(times)
    poll_cost_s = _POLL_COST_S + _POLL_COST_SHARE * times[min(int((n + longer) / 2), n - 1)]
    # A time stands for the interval since the one before it. Otherwise a poll exactly at a time in the sample would
    # seem to find that video without any wait.
    middles = [(before + time) / 2 for before, time in zip([times[0], *times], times, strict=False)]
    sums = [0.0, *accumulate(middles)]
    cost_s = [0.0] * n + [0.0]
    following = [0] * n
    for i in range(n - 1, -1, -1):
        asked_s = poll_cost_s * (n - i + longer)
        best_s = float("inf")
        for j in range(i, n):
            waited_s = (j + 1 - i) * times[j] - (sums[j + 1] - sums[i])
            if waited_s > best_s:
                break  # later polls only wait longer
            if waited_s + cost_s[j + 1] < best_s:
                best_s, following[i] = waited_s + cost_s[j + 1], j
        cost_s[i] = asked_s + best_s
    return following


@dataclass(frozen=True, slots=True)
class PollPacing:
    """Bounds of the poll schedule in seconds. `forecast`: for this kind of video, None if nothing is known."""

    min_s: float
    max_s: float
    forecast: Forecast | None = None

    def next_s(self, age_s: float, refresh_s: float = 0.0, rng: random.Random | None = None) -> float:
        """Seconds until the next poll of a task of this age.

        `refresh_s` is how often the gateway itself updates a task. Once a task is older than that, polling more often
        is useless; before, the task may be quick (tests, caches), so only the lower bound holds.
        """
        target_s = None if self.forecast is None else self.forecast.next_age_s(age_s)
        floor_s = max(self.min_s, min(refresh_s, age_s * _GROWTH))
        if target_s is None:
            known_s = 0.0 if self.forecast is None else self.forecast.known_s
            usual_s = max(age_s, known_s) * (1 + _GROWTH) - age_s
            return jittered(min(max(floor_s, usual_s), self.max_s), rng)
        if age_s >= refresh_s:
            floor_s = max(self.min_s, refresh_s)
        wait_s = min(max(floor_s, target_s - age_s), self.max_s)
        # Spread jobs that began together by at most the shortest wait, or a long first wait would miss its time.
        spread_s = min(wait_s * _FORECAST_JITTER, self.min_s)
        return wait_s + (rng or random).uniform(-spread_s, spread_s)


def jittered(seconds: float, rng: random.Random | None = None) -> float:
    """`seconds`, changed by up to a tenth at random, so that jobs of the same moment spread out."""
    return seconds * (rng or random).uniform(1 - _JITTER, 1 + _JITTER)
