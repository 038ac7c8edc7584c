"""What a scheduler does between two ticks: rounds follow while there is more, and hints are heard beside them."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Any

from worker.scheduling.hinted import Pace
from worker.scheduling.scheduler import DueScheduler


class Dispatching:
    """Has `rounds` full rounds of submits to claim."""

    def __init__(self, rounds: int) -> None:
        self.awaited = {"transfer"}
        self.more: set[str] = {"submit"} if rounds else set()
        self.ran: list[set[str]] = []
        self._left = rounds

    def run(self, may_submit: Callable[..., bool], queues: Collection[str]) -> int:
        self.ran.append(set(queues))
        if "submit" in queues:
            self._left -= 1
            self.more = {"submit"} if self._left else set()
        return 1


class Hinting:
    """Has one hint, for copies, after a number of looks; ends the wait when there is nothing more."""

    def __init__(self, after: int) -> None:
        self.looks: list[float] = []
        self._after = after

    def wait(self, seconds: float) -> frozenset[str]:
        self.looks.append(seconds)
        if len(self.looks) == self._after:
            return frozenset({"transfer", "poll"})
        time.sleep(seconds)
        return frozenset()


def waited(rounds: int, hint_after: int, seconds: float) -> tuple[Dispatching, Hinting]:
    scheduler: Any = object.__new__(DueScheduler)
    scheduler.dispatcher, scheduler._hints, scheduler._pace = Dispatching(rounds), Hinting(hint_after), Pace()
    scheduler._restores = type("Restores", (), {"may_submit": None})
    scheduler._works = True
    scheduler._wait(seconds)
    return scheduler.dispatcher, scheduler._hints


def test_rounds_follow_while_there_is_more_and_hints_are_heard_beside_them() -> None:
    dispatching, hinting = waited(rounds=3, hint_after=2, seconds=0.5)
    assert dispatching.ran == [{"submit"}, {"submit", "transfer"}, {"submit"}]
    assert hinting.looks[:3] == [0.0] * 3, "they are not waited for"
    assert hinting.looks[3] > 0, "and then they are"


def test_a_wait_without_more_runs_nothing() -> None:
    dispatching, _ = waited(rounds=0, hint_after=9, seconds=0.05)
    assert dispatching.ran == []
