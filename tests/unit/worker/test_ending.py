"""What ends a process that was asked to stop: its broker is not waited for, and there is a last resort."""

from __future__ import annotations

import subprocess
import sys

import pytest
from redis.exceptions import ConnectionError as NotConnected
from redis.exceptions import TimeoutError as Unanswered

from storage.settings import Settings
from worker import leaving
from worker.ending import STOP_S, stop_limit_s
from worker.leaving import Leave, Leaving

STUCK = """
import logging, threading
from worker.ending import end_in_time
logging.basicConfig(format="%(message)s")
stopping = threading.Event()
end_in_time(stopping, lambda: 0.1)
stopping.set()
threading.Event().wait()
"""


def test_a_process_that_is_stuck_ends_at_its_limit_and_says_so() -> None:
    done = subprocess.run([sys.executable, "-c", STUCK], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("stop.cut_off seconds=0.1: a server holds it up")


def test_only_a_worker_that_submits_has_the_time_of_a_post_as_well() -> None:
    settings = Settings(submit_timeout_seconds=40.0)
    assert stop_limit_s(settings, {"submit", "poll"}) == 40.0 + STOP_S
    assert stop_limit_s(settings, {"transfer"}) == stop_limit_s(settings, frozenset()) == STOP_S


class Silent:
    """A connection of which the server says nothing."""

    _sock = None

    def __init__(self) -> None:
        self.waits = 0

    def connect(self) -> None:
        self.waits += 1
        raise Unanswered("Timeout connecting to server")

    def read_response(self) -> object:
        self.waits += 1
        raise Unanswered("Timeout reading from socket")


class Connection(Leaving, Silent):
    """The same, which leaves."""


@pytest.mark.parametrize("wait", [Connection.connect, Connection.read_response])
def test_a_broker_is_waited_for_once_after_the_signal(wait: object, monkeypatch: pytest.MonkeyPatch) -> None:
    assert callable(wait)
    monkeypatch.setattr(leaving, "LEAVE", leave := Leave())
    connection = Connection()
    for _ in range(3):
        with pytest.raises(Unanswered):
            wait(connection)
    leave.begin()
    with pytest.raises(Unanswered):
        wait(connection)
    assert connection.waits == 4
    for each in (Connection.connect, Connection.read_response):
        with pytest.raises(NotConnected):
            each(connection)
    assert connection.waits == 4, "it did not wait again"
