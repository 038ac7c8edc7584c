"""What a Celery task achieved for its jobs, for the people who watch the workers.

A task succeeds for Celery as soon as its function returns: the jobs' rows are the truth, no message is repeated, and a
copy goes on in the background. So each batch counts its outcomes here, and the event that Flower receives says them.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from uuid import UUID

from storage.logs.privacy import clean

MAX_FAILURES = 5
"""Failures that a result names, each with its job."""

MAX_CHARS = 200
"""Of the reason of each."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the event says. `failed`: nothing was achieved, and something failed."""

    text: str
    failed: bool
    took_s: float


class Tally:
    """The outcomes of one task. Threads may share it; `hold` it while work goes on after the task's function."""

    def __init__(self, task_id: str = "") -> None:
        self.task_id = task_id
        self._lock = threading.Lock()
        self._good: Counter[str] = Counter()
        self._failures: list[str] = []
        self._failed = 0
        self._holders = 0
        self._waiting: Callable[[Verdict], None] | None = None
        self._begun_at = time.monotonic()

    def good(self, what: str, count: int = 1) -> None:
        """Count an outcome, such as `stored`."""
        with self._lock:
            self._good[what] += count

    def bad(self, item: UUID | str, why: str) -> None:
        """Count a job (or message) for which the task failed, and why."""
        with self._lock:
            self._failed += 1
            if len(self._failures) < MAX_FAILURES:
                self._failures.append(f"{item} {clean(why)[:MAX_CHARS]}")

    def hold(self) -> None:
        """Work goes on in the background; `release` must follow."""
        with self._lock:
            self._holders += 1

    def release(self) -> None:
        """That work has ended."""
        with self._lock:
            self._holders -= 1
            waiting = self._waiting if self._holders == 0 else None
            if waiting is not None:
                self._waiting = None
        if waiting is not None:
            waiting(self._verdict())

    def when_done(self, report: Callable[[Verdict], None]) -> None:
        """Call `report` once no work goes on: at once, or in the thread that ends it."""
        with self._lock:
            if self._holders:
                self._waiting = report
                return
        report(self._verdict())

    def _verdict(self) -> Verdict:
        with self._lock:
            parts = [f"{what} {count}" for what, count in self._good.items() if count]
            if self._failed:
                more = "" if self._failed == len(self._failures) else ", …"
                parts.append(f"failed {self._failed}: {', '.join(self._failures)}{more}")
            failed = bool(self._failed) and not any(self._good.values())
        return Verdict("; ".join(parts) or "nothing left to do", failed, time.monotonic() - self._begun_at)


_current: ContextVar[Tally | None] = ContextVar("reelq_tally", default=None)


def begin_tally(task_id: str) -> None:
    """Begin the tally of a task, in the context in which it runs."""
    _current.set(Tally(task_id))


def tally_of(task_id: str) -> Tally | None:
    """The tally of this task, in its context; None: it has none."""
    tally = _current.get()
    return tally if tally is not None and tally.task_id == task_id else None


def current_tally() -> Tally:
    """The tally of the task that is running; outside of one, a tally that is thrown away."""
    return _current.get() or Tally()
