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
    outage = Outage(logging.getLogger("reelq.test"), "broker", "start it", clock)
    outage.works()
    for _ in range(20):
        outage.fails("refused")
        clock.now += 1.0
        outage.works()  # it comes and goes
    assert caplog.messages == ["broker.unavailable seconds=0 error=refused: start it"]
    clock.now += REMIND_S
    outage.fails("silent")
    assert caplog.messages[1:] == ["broker.unavailable seconds=80 error=silent: start it"]
    for _ in range(3):
        clock.now += STEADY_S
        outage.works()
    assert caplog.messages[2:] == ["broker.recovered seconds=85"]
    outage.fails("refused")
    assert caplog.messages[3:] == ["broker.unavailable seconds=0 error=refused: start it"]
