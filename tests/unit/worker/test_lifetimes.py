"""Generation times are learnt from all that polls see, of many tasks that begin together, too."""

from __future__ import annotations

import heapq
import math
import random

import pytest

from storage.jobs.durations import KEPT
from worker.polling.forecasts import Learning
from worker.polling.lifetimes import FEWEST_ENDS, Lifetimes
from worker.polling.pacing import PollPacing
from worker.polling.thinning import AT_ONCE, Thinning


def lognormal(rng: random.Random) -> float:
    return 2.0 * math.exp(rng.gauss(0.0, 0.35))


def watched(lifetimes: Lifetimes, took_s: list[float], until_s: float, step_s: float = 0.1) -> None:
    """Poll tasks that began together, at each step, up to an age."""
    seen: dict[int, float | None] = dict.fromkeys(range(len(took_s)))
    for look in range(1, round(until_s / step_s) + 1):
        age_s = look * step_s
        for task in list(seen):
            if took_s[task] <= age_s:
                lifetimes.note_end(seen.pop(task), age_s, 0.5, age_s)
            else:
                lifetimes.note_alive(seen[task], age_s, age_s)
                seen[task] = age_s


def test_quick_tasks_of_many_do_not_pass_for_all() -> None:
    rng = random.Random(1)
    took_s = [lognormal(rng) for _ in range(2000)]
    lifetimes = Lifetimes()
    watched(lifetimes, took_s, until_s=1.5)
    times, known_s = lifetimes.sample()
    assert known_s == pytest.approx(1.5, rel=0.05)
    ended = sum(seconds <= 1.5 for seconds in took_s) / len(took_s)
    assert len(times) / KEPT == pytest.approx(ended, abs=0.08), "the others take longer, and are no part of the times"


def test_the_times_are_those_of_all_tasks_once_they_have_ended() -> None:
    rng = random.Random(2)
    took_s = [lognormal(rng) for _ in range(3000)]
    lifetimes = Lifetimes()
    watched(lifetimes, took_s, until_s=15.0)
    times, _ = lifetimes.sample()
    assert len(times) >= KEPT - 1
    took_s.sort()
    for share in (0.1, 0.5, 0.9):
        assert times[int(share * KEPT)] == pytest.approx(took_s[int(share * 3000)], rel=0.15)


def test_few_ends_say_nothing_but_that_none_came_before() -> None:
    lifetimes = Lifetimes()
    for _ in range(20):
        lifetimes.note_alive(None, 10.0, 0.0)
    for _ in range(FEWEST_ENDS - 1):
        lifetimes.note_end(10.0, 11.0, 0.5, 0.0)
    times, quiet_s = lifetimes.sample()
    assert times == []
    assert quiet_s == pytest.approx(10.0, rel=0.05)
    lifetimes.note_end(10.0, 11.0, 0.5, 0.0)
    assert lifetimes.sample()[0]


def test_old_sightings_fade() -> None:
    lifetimes = Lifetimes()
    for number in range(300):
        lifetimes.add(100.0, number * 10.0)
    for number in range(150):
        lifetimes.note_alive(None, 29.0, 3000.0 + number * 3.0)
        lifetimes.note_end(29.0, 31.0, 0.5, 3000.0 + number * 3.0)
    times, _ = lifetimes.sample()
    assert times[KEPT // 2] == pytest.approx(30.0, rel=0.1)


def polls_of_many_at_once(learning: Learning | None, jobs: int, seed: int) -> tuple[float, float]:
    """Polls a job, and the median wait to be found, of tasks that begin within two seconds."""
    rng = random.Random(seed)
    took_s = [lognormal(rng) for _ in range(jobs)]
    polls, late = 0, []
    began = [index * 2.0 / jobs for index in range(jobs)]
    events: list[tuple[float, int, float | None]] = [(at, index, None) for index, at in enumerate(began)]
    asked: set[int] = set()
    while events:
        now, task, seen_s = heapq.heappop(events)
        age_s = now - began[task]
        if task in asked:
            polls += 1
            if learning is not None:
                learning.note(seen_s, age_s, finished=age_s >= took_s[task], now=now, rng=rng)
            if age_s >= took_s[task]:
                late.append(age_s - took_s[task])
                continue
            seen_s = age_s
        asked.add(task)
        wait_s = PollPacing(0.5, 60.0, None if learning is None else learning.forecast).next_s(age_s, rng=rng)
        heapq.heappush(events, (now + wait_s, task, seen_s))
    return polls / jobs, sorted(late)[jobs // 2]


def test_many_jobs_at_once_are_polled_less_although_nothing_was_known() -> None:
    polls, late_s = polls_of_many_at_once(Learning(), 1000, seed=3)
    assert polls < 0.85 * polls_of_many_at_once(None, 1000, seed=3)[0]
    assert late_s < 0.6


KIND = ("main", "", "720p", "5")


def test_of_many_ends_as_many_are_recorded_as_are_kept_of_a_generation() -> None:
    thinning = Thinning()
    taken = [thinning.take(KIND, 100.0, at * 0.1) for at in range(1000)]
    assert sum(taken) == pytest.approx(KEPT + AT_ONCE, abs=2)
    assert sum(taken[500:]) == pytest.approx(KEPT / 2, abs=2), "evenly"


def test_of_few_ends_all_are_recorded() -> None:
    thinning = Thinning()
    together = [thinning.take(KIND, 100.0, round_ * 100.0) for round_ in range(5) for _ in range(10)]
    assert all(together)
    assert all(thinning.take(("other", "", "720p", "5"), 5.0, 500.0 + number) for number in range(10))
