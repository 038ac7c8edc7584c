"""How often hints begin a round of the scheduler, on a clock that the tests turn."""

from __future__ import annotations

from itertools import pairwise

import pytest

from worker.scheduling.hinted import CREDIT_S, PAUSE_S, SHARE, Pace


def flood(round_s: float, during_s: float, now: float = 1000.0) -> list[tuple[float, float]]:
    """The rounds, from begin to end, when there is a hint at any time."""
    pace, rounds, end = Pace(), [], now + during_s
    while (now := max(now, pace.next_at)) < end:
        pace.note(now, now + round_s)
        rounds.append((now, now + round_s))
        now += round_s
    return rounds


def test_the_first_hint_is_followed_at_once() -> None:
    assert Pace().next_at < 0


@pytest.mark.parametrize("round_s", [0.0, 0.001, 0.005, 0.05, 0.5])
def test_a_flood_of_hints_takes_a_bounded_share_of_the_time(round_s: float) -> None:
    rounds = flood(round_s, during_s=60.0)
    assert len(rounds) <= 60.0 / PAUSE_S + 1
    assert sum(end - begin for begin, end in rounds) <= CREDIT_S + SHARE * 60.0 + round_s
    assert all(later[0] - earlier[1] >= PAUSE_S * 0.999 for earlier, later in pairwise(rounds))


def test_rare_hints_do_not_wait_for_each_other() -> None:
    pace, now = Pace(), 1000.0
    for _ in range(100):
        assert pace.next_at <= now
        pace.note(now, now + 0.03)
        now += 0.5


def test_one_slow_round_does_not_silence_hints_for_long() -> None:
    pace = Pace()
    pace.note(1000.0, 1000.3)
    assert pace.next_at < 1003.0


def test_rounds_that_find_more_take_half_of_the_time_and_leave_what_hints_have_saved_up() -> None:
    pace, now = Pace(), 1000.0
    for _ in range(20):
        pace.note_more(now, now + 0.05)
        assert pace.next_at == pytest.approx(now + 0.1)
        now = pace.next_at
    pace.note(now, now + 0.03)
    assert pace.next_at - (now + 0.03) == pytest.approx(PAUSE_S)
