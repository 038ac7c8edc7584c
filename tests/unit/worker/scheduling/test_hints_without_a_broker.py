"""Hints are only hints: without a broker nothing fails, nothing waits, and the log says it once."""

from __future__ import annotations

import errno
import logging
import socket
import time
from functools import partial

import pytest

from storage import broker
from storage.broker_url import BrokerUrl
from storage.waking import hints
from storage.waking.hints import Due, Hints
from tests.waiting import PATIENCE_S, wait_for
from worker.scheduling import hinted
from worker.scheduling.hinted import HintedWait


def warnings(caplog: pytest.LogCaptureFixture, event: str) -> int:
    return sum(record.getMessage().startswith(event) for record in caplog.records)


def test_hints_are_dropped(closed_port: int, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hints, "QUIET_S", 0.0)
    giver = Hints(BrokerUrl(hosts=(("127.0.0.1", closed_port),)))
    with caplog.at_level(logging.WARNING, "reelq.hints"):
        for _ in range(5):
            giver.give({Due.SUBMIT})
            wait_for("the hint is taken", lambda: not giver._wanted)
        giver.close()
    assert warnings(caplog, "hints.not_sent") == 1


def test_a_client_that_cannot_be_made_is_tried_again(
    closed_port: int, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hints, "QUIET_S", 0.0)
    tried = []

    def refuse(*_arguments: object) -> None:
        tried.append(1)
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(broker, "client", refuse)
    giver = Hints(BrokerUrl(hosts=(("127.0.0.1", closed_port),)))
    with caplog.at_level(logging.WARNING, "reelq.hints"):
        for number in range(1, 4):
            giver.give({Due.SUBMIT})
            wait_for("a client is asked for", partial(_has, tried, number))
        giver.close()
    assert warnings(caplog, "hints.not_sent") == 1


def _has(items: list[int], count: int) -> bool:
    return len(items) == count


def test_a_closed_giver_takes_no_hints(closed_port: int) -> None:
    giver = Hints(BrokerUrl(hosts=(("127.0.0.1", closed_port),)))
    giver.close()
    giver.give({Due.SUBMIT})
    assert giver._thread is None


def test_the_scheduler_only_waits(
    closed_port: int, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hinted, "AGAIN_S", 0.0)
    wait = HintedWait(BrokerUrl(hosts=(("127.0.0.1", closed_port),)))
    with caplog.at_level(logging.WARNING, "reelq.hints"):
        wait_for("it is said", lambda: wait.wait(0.01) == frozenset() and warnings(caplog, "hints.not_read") > 0)
        assert [wait.wait(0.01) for _ in range(5)] == [frozenset()] * 5
    wait.close()
    assert warnings(caplog, "hints.not_read") == 1


def test_a_broker_that_takes_connections_and_never_answers_delays_no_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen: each wait took up to two seconds, the time limit of a command, twice."""
    monkeypatch.setattr(hinted, "ANSWER_S", 10 * PATIENCE_S)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        wait = HintedWait(BrokerUrl(hosts=(("127.0.0.1", silent.getsockname()[1]),)))
        began = time.monotonic()
        assert [wait.wait(0.05) for _ in range(5)] == [frozenset()] * 5
        assert time.monotonic() - began < PATIENCE_S
        wait.close()
