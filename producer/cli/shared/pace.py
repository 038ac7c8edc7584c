"""How fast jobs finish, and showing it line by line."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping

from producer.cli.shared.formatting import counts_line, duration
from producer.cli.shared.output import say
from storage.jobs.states import JobState

_PLAIN_EVERY_S = 5.0
_RATE_OVER_S = 30.0


class Pace:
    """How fast jobs finish, from the last half minute, and how long the rest takes at that pace."""

    def __init__(self, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._total = total
        self._clock = clock
        self._seen: deque[tuple[float, int]] = deque()
        self.started = clock()

    def note(self, done: int) -> None:
        """Note how many are done now."""
        now = self._clock()
        self._seen.append((now, done))
        while len(self._seen) > 2 and self._seen[0][0] < now - _RATE_OVER_S:
            self._seen.popleft()

    @property
    def per_second(self) -> float:
        """Jobs done per second; 0.0 until the first."""
        if len(self._seen) < 2:
            return 0.0
        (first_at, first), (last_at, last) = self._seen[0], self._seen[-1]
        return (last - first) / (last_at - first_at) if last_at > first_at else 0.0

    @property
    def left_s(self) -> float | None:
        """Seconds until all are done, None if unknown."""
        rate = self.per_second
        return (self._total - self._seen[-1][1]) / rate if rate > 0 else None

    @property
    def elapsed_s(self) -> float:
        return self._clock() - self.started

    def line(self, last: bool = False) -> str:
        """`1.8 jobs/s · 12 s left`, and at the end how long it took."""
        if last:
            return f"in {duration(self.elapsed_s)}"
        if self.left_s is None:
            return duration(self.elapsed_s)
        return f"{self.per_second:.1f} jobs/s · {duration(self.left_s)} left"


class Lines:
    """Progress without a terminal."""

    def __init__(self, title: str, total: int) -> None:
        self._title = title
        self._total = total
        self._next = 0.0

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def update(self, counts: Mapping[JobState, int], done: int, pace: Pace, *, last: bool) -> None:
        if last or pace.elapsed_s >= self._next:
            self._next = pace.elapsed_s + _PLAIN_EVERY_S
            say(f"{self._title}: {done}/{self._total} done · {counts_line(counts)} · {pace.line(last)}")
