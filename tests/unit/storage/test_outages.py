"""An outage is said once, again each minute, and its end once the server works steadily."""

from __future__ import annotations

import logging

import pytest

from storage.outages import REMIND_S, STEADY_S, Outage


class Clock:
    """A clock that a test sets, in seconds."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_an_outage_is_said_once_and_so_is_its_end(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    clock = Clock()
    logger = logging.getLogger("reelq.test")
    outage = Outage(logger, "broker", "start it", clock)

    def said() -> list[str]:
        return [record.getMessage() for record in caplog.records if record.name == logger.name]

    outage.works()
    for _ in range(20):
        outage.fails("refused")
        clock.now += 1.0
        outage.works()  # it comes and goes
    assert said() == ["broker.unavailable seconds=0 error=refused: start it"]
    clock.now += REMIND_S
    outage.fails("silent")
    assert said()[1:] == ["broker.unavailable seconds=80 error=silent: start it"]
    for _ in range(3):
        clock.now += STEADY_S
        outage.works()
    assert said()[2:] == ["broker.recovered seconds=85"]
    outage.fails("refused")
    assert said()[3:] == ["broker.unavailable seconds=0 error=refused: start it"]
