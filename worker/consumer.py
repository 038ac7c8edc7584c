"""How a worker consumes while its broker comes and goes: it says so in one line, and tries again every few seconds."""

from __future__ import annotations

import logging
import time
import warnings
from typing import Any

from celery.exceptions import CPendingDeprecationWarning
from celery.worker.state import maybe_shutdown

from storage.broker import explained
from storage.outages import STEADY_S, Outage
from storage.settings import load_settings
from worker.watching import gathered_events

log = logging.getLogger("reelq.broker")

AGAIN_S = 5.0
"""How long until it connects again, after the first attempts; Celery waits up to 30 s."""
RESTART_S = 1.0
ADVICE = "new work waits until it answers; `reelq doctor` says what to do"


class Pace:
    """Takes the place of Celery's limit on restarts, which logs a traceback and then waits: it only waits."""

    _next_at = 0.0

    def step(self) -> None:
        """Wait before a restart of the consumer, unless the last one was long ago."""
        time.sleep(max(0.0, self._next_at - time.monotonic()))
        self._next_at = time.monotonic() + RESTART_S


class Consumer(gathered_events.Consumer):
    """Celery's, with events that are gathered, but for that."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._restart_state = Pace()
        self._target = load_settings().require_broker()
        self._outage = Outage(log, "broker", ADVICE)

    def connect(self) -> Any:
        """Connect to the broker; it is back if that lasts."""
        connection = super().connect()
        self._outage.works()
        self.timer.call_after(STEADY_S, self._outage.works)
        return connection

    def ensure_connected(self, conn: Any) -> Any:
        """Connect, and try again until it succeeds or the worker is asked to stop."""
        return conn.ensure_connection(
            lambda exc, _interval: self._note(exc),
            interval_start=RESTART_S,
            interval_step=RESTART_S,
            interval_max=AGAIN_S,
            callback=maybe_shutdown,
        )

    def on_connection_error_before_connected(self, exc: Exception) -> None:
        """A connection broke while the consumer started."""
        self._note(exc)

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """A connection broke."""
        self._note(exc)
        with warnings.catch_warnings():  # at each reconnection, about a setting that we set
            warnings.simplefilter("ignore", CPendingDeprecationWarning)
            super().on_connection_error_after_connected(exc)

    def _note(self, exc: Exception) -> None:
        self._outage.fails(explained(exc, self._target))
