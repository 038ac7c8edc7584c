"""Watching jobs until nothing more happens by itself: a live bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from producer.cli.output import console, counts_line, duration, say

if TYPE_CHECKING:
    from producer.client import Producer
    from storage.jobs.states import JobState

_EVERY_S = 0.25
_EVERY_MANY_S = 1.0  # asking about ten thousand jobs costs the database more than about ten
_MANY = 2_000
_PLAIN_EVERY_S = 5.0
_RATE_OVER_S = 30.0


class Pace:
    """How fast jobs get done, from the last half minute, and how long the rest takes at that pace."""

    def __init__(self, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._total = total
        self._clock = clock
        self._seen: deque[tuple[float, int]] = deque()
        self.started = clock()

    def note(self, done: int) -> None:
        """Take down how many are done now."""
        now = self._clock()
        self._seen.append((now, done))
        while len(self._seen) > 2 and self._seen[0][0] < now - _RATE_OVER_S:
            self._seen.popleft()

    @property
    def per_second(self) -> float:
        """Jobs done a second; 0.0 as long as none was."""
        if len(self._seen) < 2:
            return 0.0
        (first_at, first), (last_at, last) = self._seen[0], self._seen[-1]
        return (last - first) / (last_at - first_at) if last_at > first_at else 0.0

    @property
    def left_s(self) -> float | None:
        """Seconds until all are done, None when nothing tells."""
        rate = self.per_second
        return (self._total - self._seen[-1][1]) / rate if rate > 0 else None

    @property
    def elapsed_s(self) -> float:
        return self._clock() - self.started

    def line(self, last: bool = False) -> str:
        """`1.8 jobs/s · 12 s left`, and at the end how long all of it took."""
        if last:
            return f"in {duration(self.elapsed_s)}"
        if self.left_s is None:
            return duration(self.elapsed_s)
        return f"{self.per_second:.1f} jobs/s · {duration(self.left_s)} left"


def watch(
    producer: Producer, ids: Sequence[UUID], title: str, *, deadline_s: float | None = None
) -> Mapping[JobState, int]:
    """Show the jobs on standard error until each is terminal or held as unconfirmed; give the last counts.

    Raises:
        TimeoutError: `deadline_s` seconds were not enough.
        DatabaseUnavailable: the database has not answered for a minute.
    """
    pace = Pace(len(ids))
    every = _EVERY_MANY_S if len(ids) > _MANY else _EVERY_S
    show = _Bar(title, len(ids)) if sys.stderr.isatty() else _Lines(title, len(ids))
    with show:
        while True:
            done = len(ids) - producer.unfinished(ids)
            counts = producer.counts(ids)  # asked second, so that the last ones shown are final
            pace.note(done)
            finished = done >= len(ids)
            show.update(counts, done, pace, last=finished)
            if finished:
                return counts
            if deadline_s is not None and pace.elapsed_s >= deadline_s:
                raise TimeoutError(
                    f"{len(ids) - done} of {len(ids)} jobs were not done after {deadline_s:g} s; they go on"
                )
            time.sleep(every)


class _Lines:
    """Progress where nobody looks at a screen."""

    def __init__(self, title: str, total: int) -> None:
        self._title = title
        self._total = total
        self._next = 0.0

    def __enter__(self) -> _Lines:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def update(self, counts: Mapping[JobState, int], done: int, pace: Pace, *, last: bool) -> None:
        if last or pace.elapsed_s >= self._next:
            self._next = pace.elapsed_s + _PLAIN_EVERY_S
            say(f"{self._title}: {done}/{self._total} done · {counts_line(counts)} · {pace.line(last)}")


class _Bar(_Lines):
    """Progress on a terminal: a bar, and below it how many jobs stand in each state."""

    def __init__(self, title: str, total: int) -> None:
        super().__init__(title, total)
        from rich.console import RenderableType
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
        from rich.text import Text

        below = Text(style="bright_black", overflow="ellipsis", no_wrap=True)

        class TwoLines(Progress):
            def get_renderables(self) -> Iterable[RenderableType]:
                yield from super().get_renderables()
                yield below

        self._below = below
        self._progress = TwoLines(
            SpinnerColumn(finished_text="✔"),
            TextColumn("{task.description}", markup=False, style="bold"),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TextColumn("{task.fields[pace]}", markup=False, style="cyan"),
            console=console(stderr=True),
        )
        self._task = self._progress.add_task(title, total=total, pace="")

    def __enter__(self) -> _Bar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def update(self, counts: Mapping[JobState, int], done: int, pace: Pace, *, last: bool) -> None:
        self._below.plain = f"  {counts_line(counts)}"
        self._progress.update(self._task, completed=done, pace=pace.line(last))
