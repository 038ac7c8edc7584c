"""What a scheduler does between two ticks: rounds follow while there is more, and hints are heard beside them."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Collection
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
from kombu.exceptions import OperationalError as BrokerError

from storage.broker_url import parse_broker_url
from storage.outages import Outage
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


def test_a_database_is_back_although_the_broker_is_away(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Seen: `database.recovered` was said only once the broker was back, too."""
    caplog.set_level(logging.INFO)
    now = [100.0]
    logger = logging.getLogger("reelq.test")
    database, broker = (Outage(logger, name, "wait", lambda: now[0]) for name in ("database", "broker"))
    monkeypatch.setattr("worker.scheduling.scheduler.due_tasks", lambda conn: [])
    scheduler: Any = object.__new__(DueScheduler)
    scheduler.settings = SimpleNamespace(require_broker=lambda: parse_broker_url("redis://127.0.0.1:1/0"))
    scheduler._fit_at = scheduler._beaten_at = math.inf
    scheduler._database_outage, scheduler._broker_outage = database, broker
    scheduler._restores = SimpleNamespace(may_run=lambda: True, may_submit=None)
    scheduler.database = SimpleNamespace(begin=nullcontext)
    scheduler.dispatcher = SimpleNamespace(run=_refused)
    database.fails("refused")
    for _ in range(8):
        now[0] += 1.0
        with scheduler._going_on():
            scheduler._round()
    said = [record.getMessage() for record in caplog.records if record.name == logger.name]
    assert [line.partition(" ")[0] for line in said] == [
        "database.unavailable",
        "broker.unavailable",
        "database.recovered",
    ]


def _refused(*_: object) -> None:
    raise BrokerError("refused")


def test_rounds_follow_while_there_is_more_and_hints_are_heard_beside_them() -> None:
    dispatching, hinting = waited(rounds=3, hint_after=2, seconds=0.5)
    assert dispatching.ran == [{"submit"}, {"submit", "transfer"}, {"submit"}]
    assert hinting.looks[:3] == [0.0] * 3, "they are not waited for"
    assert hinting.looks[3] > 0, "and then they are"


def test_a_wait_without_more_runs_nothing() -> None:
    dispatching, _ = waited(rounds=0, hint_after=9, seconds=0.05)
    assert dispatching.ran == []
