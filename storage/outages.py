"""Say once that a server is away, remind now and then, and say when it is back.

A process that goes on without a server tries it again many times a minute. A line for each attempt would bury what else
its log says.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

REMIND_S = 60.0
"""How long until the log says again that the server is still away."""
STEADY_S = 5.0
"""A server is back once it has worked for this long: in a failover it may come and go."""


class Outage:
    """What the log of a process says of one server. One thread uses it."""

    def __init__(
        self, log: logging.Logger, server: str, advice: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`server`: its name in events, `advice`: what waits for it, and what to do."""
        self._log, self._server, self._advice, self._clock = log, server, advice, clock
        self._began: float | None = None
        self._worked_since: float | None = None
        self._say_at = 0.0

    def fails(self, error: object, *, trace: bool = False) -> None:
        """Note that an attempt failed. `trace`: with the trace of the exception that is being handled, for a fault of
        our own."""
        now = self._clock()
        self._worked_since = None
        if self._began is None:
            self._began = self._say_at = now
        if now >= self._say_at:
            self._say_at = now + REMIND_S
            event, seconds = f"{self._server}.unavailable", round(now - self._began)
            self._log.warning("%s seconds=%d error=%s: %s", event, seconds, error, self._advice, exc_info=trace)

    def works(self) -> None:
        """Note that an attempt succeeded."""
        if self._began is None:
            return
        now = self._clock()
        if self._worked_since is None:
            self._worked_since = now
        if now - self._worked_since >= STEADY_S:
            self._log.info("%s seconds=%d", f"{self._server}.recovered", round(self._worked_since - self._began))
            self._began = self._worked_since = None
