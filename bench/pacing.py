"""Compare polling strategies: polls per job against the time until a finished video is found.

A simulation without servers and clock. Jobs of one kind end one after the other, ten in flight at once. "learned" uses
the polls of earlier jobs, as workers do.

    reelq bench pacing
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median

from bench.report import Report, Table, Target, Value, ratio
from worker.polling.forecasts import Learning
from worker.polling.pacing import PollPacing

MIN_S, MAX_S, IN_FLIGHT = 0.5, 60.0, 10
MOST_SHORT_S = 5.0

Times = Callable[[random.Random, float], float]
"""Draws a generation time in seconds from a random source and the progress of the run (0 to 1)."""
Schedule = Iterator[float]
"""The ages in seconds at which a task is polled."""


def _lognormal(rng: random.Random, middle_s: float, sigma: float) -> float:
    return middle_s * math.exp(rng.gauss(0.0, sigma))


def distributions(middle_s: float) -> dict[str, Times]:
    """Generation times of several kinds around a median."""
    return {
        "stable": lambda rng, _: _lognormal(rng, middle_s, 0.15),
        "bimodal": lambda rng, _: _lognormal(rng, middle_s * (3.0 if rng.random() < 0.3 else 1.0), 0.12),
        "drifting": lambda rng, at: _lognormal(rng, middle_s * (1 + math.sin(2 * math.pi * at) / 2), 0.15),
        "heavy tail": lambda rng, _: middle_s * 0.63 * rng.paretovariate(1.5),
    }


@dataclass(frozen=True, slots=True)
class Row:
    """The figures of one strategy on one distribution; latencies in seconds."""

    times: str
    median_s: float
    strategy: str
    polls: float
    latency_p50_s: float
    latency_p99_s: float


class Fixed:
    """A fixed wait of 5 s."""

    def ages(self, rng: random.Random) -> Schedule:
        age_s = rng.uniform(0.0, 5.0)
        while True:
            yield age_s
            age_s += 5.0

    def learn(self, before_s: float | None, seen_s: float, rng: random.Random) -> None:
        """This strategy does not learn."""


class Exponential(Fixed):
    """Half a second, then 1.5 times the previous wait, up to the cap."""

    def ages(self, rng: random.Random) -> Schedule:
        wait_s, age_s = MIN_S, 0.0
        while True:
            age_s += wait_s * rng.uniform(0.9, 1.1)
            yield age_s
            wait_s = min(wait_s * 1.5, MAX_S)


class Learnt(Fixed):
    """The schedule of the workers."""

    def __init__(self) -> None:
        self._pending: list[tuple[float | None, float]] = []
        self._learning = Learning()
        self._now = 0.0
        self._pacing = PollPacing(MIN_S, MAX_S)

    def ages(self, rng: random.Random) -> Schedule:
        age_s = 0.0
        while True:
            age_s += self._pacing.next_s(age_s, rng=rng)
            yield age_s

    def learn(self, before_s: float | None, seen_s: float, rng: random.Random) -> None:
        """Learn as a worker does; later jobs know it once the jobs in flight have ended."""
        self._pending.append((before_s, seen_s))
        if len(self._pending) < IN_FLIGHT:
            return
        self._now += max(found_s for _, found_s in self._pending)
        for last_s, found_s in self._pending:
            if last_s is not None:
                self._learning.note(None, last_s, finished=False, now=self._now)
            self._learning.note(last_s, found_s, finished=True, now=self._now, rng=rng)
        self._pending.clear()
        self._pacing = PollPacing(MIN_S, MAX_S, self._learning.forecast)


STRATEGIES: dict[str, Callable[[], Fixed]] = {"fixed 5 s": Fixed, "exponential": Exponential, "learned": Learnt}


def simulate(times: Times, strategy: Fixed, jobs: int, seed: int) -> tuple[float, list[float]]:
    """Polls per job, and the latency of each job in seconds."""
    rng, polls, latencies = random.Random(seed), 0, []
    took = [times(rng, index / jobs) for index in range(jobs)]
    for took_s in took:
        before_s = None
        for age_s in strategy.ages(rng):
            polls += 1
            if age_s >= took_s:
                latencies.append(age_s - took_s)
                strategy.learn(before_s, age_s, rng)
                break
            before_s = age_s
    return polls / jobs, latencies


def measure(jobs: int, seed: int) -> list[Row]:
    """Every strategy on every distribution, with three medians."""
    rows = []
    for middle_s in (2.0, 20.0, 120.0):
        for name, times in distributions(middle_s).items():
            for strategy, make in STRATEGIES.items():
                polls, latencies = simulate(times, make(), jobs, seed)
                late = sorted(latencies)[int(len(latencies) * 0.99)]
                rows.append(Row(name, middle_s, strategy, polls, median(latencies), late))
    return rows


def most_polls(median_s: float) -> float:
    """The target for polls, as a share of those of exponential backoff. Of a video of a few seconds that makes only
    three or four, and to find it soon counts more."""
    return 0.5 if median_s > MOST_SHORT_S else 0.6


def _base_of(row: Row, rows: list[Row]) -> Row:
    return next(r for r in rows if (r.times, r.median_s, r.strategy) == (row.times, row.median_s, "exponential"))


def measure_part(quick: bool) -> Report:
    """The table, the ratios to exponential backoff, and the targets."""
    rows = measure(400 if quick else 4000, seed=1)
    table: list[dict[str, Value]] = []
    for row in rows:
        base = _base_of(row, rows)
        table.append(
            {
                "generation times": f"{row.times}, {row.median_s:.0f} s",
                "strategy": row.strategy,
                "polls/job": row.polls,
                "found p50 s": row.latency_p50_s,
                "found p99 s": row.latency_p99_s,
                "polls ratio": ratio(row.polls, base.polls),
                "p50 ratio": ratio(row.latency_p50_s, base.latency_p50_s),
                "p99 ratio": ratio(row.latency_p99_s, base.latency_p99_s),
            }
        )
    targets = []
    for row in rows:
        if row.strategy == "learned" and row.times in ("stable", "bimodal"):
            base, what = _base_of(row, rows), f"{row.times}, median {row.median_s:.0f} s"
            targets.append(
                Target(f"polls against exponential, {what}", row.polls / base.polls, "<=", most_polls(row.median_s))
            )
            found = ratio(row.latency_p50_s, base.latency_p50_s)
            targets.append(Target(f"found p50 against exponential, {what}", found, "<=", 1.0))
    notes = [
        "A simulation. Ratios: the row's figure divided by that of exponential backoff (0.5 s, factor 1.5, cap 60 s)."
    ]
    title = "Pacing: polls per job against the time until a finished video is found"
    return Report("pacing", [Table(title, tuple(table[0]), table)], targets, notes)
