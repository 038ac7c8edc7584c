"""A signal ends beat's loop, and nothing is closed before that."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from worker.scheduling.stopping import stop_by_signals

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def handlers_of(service: SimpleNamespace) -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        stop_by_signals(sender=service)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_raises_where_the_thread_is_and_ends_the_loop(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = SimpleNamespace(_is_shutdown=threading.Event())  # no `sync`: calling it would fail
    watched: list[threading.Event] = []
    # It would end this process.
    monkeypatch.setattr("worker.scheduling.stopping.end_in_time", lambda event, _limit: watched.append(event))
    with handlers_of(service):
        assert watched == [service._is_shutdown]
        with pytest.raises(SystemExit):
            signal.raise_signal(number)
        assert service._is_shutdown.is_set()


def test_an_embedded_beat_leaves_the_signals_to_its_worker() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    thread = threading.Thread(target=stop_by_signals, kwargs={"sender": SimpleNamespace()})
    thread.start()
    thread.join()
    assert [signal.getsignal(number) for number in SIGNALS] == before
