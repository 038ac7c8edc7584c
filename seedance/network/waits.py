"""Waits of different lengths, with one timer for all of them.

A timer for each must be sorted into those of the loop and removed again, mostly for nothing: a wait rarely takes as
long as it may.
"""

from __future__ import annotations

import asyncio


class Waits:
    """Futures that are waited for, each for a limited time. Use it on one event loop only."""

    def __init__(self) -> None:
        self._ends: dict[asyncio.Future[bool], float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, waiter: asyncio.Future[bool], limit_s: float) -> None:
        """Set `waiter` to False if it is not done in `limit_s` seconds. The caller ends the wait."""
        loop = waiter.get_loop()
        self._ends[waiter] = at = loop.time() + limit_s
        if self._timer is None or at < self._timer.when():
            self._look_at(loop, at)

    def end(self, waiter: asyncio.Future[bool]) -> None:
        """Forget a wait. The timer stays as it is: others will need it."""
        self._ends.pop(waiter, None)

    def _look_at(self, loop: asyncio.AbstractEventLoop, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_at(at, self._look, loop, at)

    def _look(self, loop: asyncio.AbstractEventLoop, now: float) -> None:
        """End the waits that are over at `now`, which may be none."""
        self._timer = None
        for waiter in [waiter for waiter, end in self._ends.items() if end <= now]:
            del self._ends[waiter]
            if not waiter.done():
                waiter.set_result(False)
        if self._ends:
            self._look_at(loop, min(self._ends.values()))
