"""Time limits of one length for many tasks, with one timer for all of them.

`asyncio.timeout` sets a timer for each, and the loop must sort and remove those that were cancelled: together a tenth
of the CPU of a poll.
"""

from __future__ import annotations

import asyncio
from types import TracebackType


class TimeLimits:
    """Limits of `limit_s` seconds. Use them on one event loop only."""

    def __init__(self, limit_s: float) -> None:
        self.limit_s = limit_s
        self._running: dict[_TimeLimit, None] = {}
        """In the order of their ends, as they have one length."""
        self._timer_is_set = False

    def start(self) -> _TimeLimit:
        """A limit for the body of a `with`. It begins now, and works as `asyncio.timeout` does: at its end the task is
        cancelled, and the `with` raises TimeoutError for that."""
        loop = asyncio.get_running_loop()
        limit = _TimeLimit(self._running, loop.time() + self.limit_s)
        if not self._timer_is_set:
            self._set_timer(loop, limit.ends_at)
        return limit

    def _set_timer(self, loop: asyncio.AbstractEventLoop, at: float) -> None:
        self._timer_is_set = True
        loop.call_at(at, self._look, loop, at)

    def _look(self, loop: asyncio.AbstractEventLoop, now: float) -> None:
        """End what is over at `now`. The timer is not moved when a limit ends early, so that may be nothing."""
        self._timer_is_set = False
        for limit in tuple(self._running):
            if limit.ends_at > now:
                self._set_timer(loop, limit.ends_at)
                break
            limit.expire()


class _TimeLimit:
    __slots__ = ("_cancelling", "_has_expired", "_running", "_task", "ends_at")

    def __init__(self, running: dict[_TimeLimit, None], ends_at: float) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a time limit is for a task")
        self._task: asyncio.Task[object] = task
        self._cancelling = task.cancelling()
        self._has_expired = False
        self._running = running
        self.ends_at = ends_at

    def __enter__(self) -> None:
        self._running[self] = None

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._running.pop(self, None)
        # A task that was cancelled by others, too, ends as they want.
        if self._has_expired and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from exc

    def expire(self) -> None:
        """Cancel the task."""
        del self._running[self]
        self._has_expired = True
        self._task.cancel()
