"""Watching jobs until each finishes or needs a decision: a bar on a terminal, else a line every few seconds."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from producer.cli.shared.pace import Lines, Pace
from producer.wording import continues, plural
from storage.jobs.states import JobState

if TYPE_CHECKING:
    from producer.operator_actions.standstill import Standstill

_EVERY_S = 0.25
_EVERY_MANY_S = 1.0  # asking about ten thousand jobs costs the database more than about ten
_MANY = 2_000
_STILL_S = 3.0


class Watched(Protocol):
    """What knows how far jobs are: a `Producer`, or a door."""

    def unfinished(self, ids: Sequence[UUID], /) -> int:
        """How many are neither terminal nor held for a person."""
        ...

    def counts(self, ids: Sequence[UUID], /) -> Mapping[JobState, int]:
        """How many are in each state."""
        ...


class StandsStill(Exception):
    """Nothing goes on before a person acts. `counts`: the jobs by state; `why`: the reasons."""

    def __init__(self, counts: Mapping[JobState, int], why: Sequence[Standstill]) -> None:
        super().__init__(counts, why)
        self.counts = counts
        self.why = why


def watch(
    jobs: Watched,
    ids: Sequence[UUID],
    title: str,
    *,
    deadline_s: float | None = None,
    standstill: Callable[[], Sequence[Standstill]] | None = None,
    follow: Callable[[Sequence[UUID]], Sequence[UUID]] | None = None,
) -> Mapping[JobState, int]:
    """Show the jobs on standard error until each is terminal or held as unconfirmed; give the last counts.

    `standstill` says why nothing goes on; it is asked while nothing changes. `follow`: from these jobs to those that
    stand for them now, one for each; None: they are themselves.

    Raises:
        TimeoutError: `deadline_s` seconds were not enough.
        StandsStill: nothing has gone on for a while, and nothing will before a person acts.
        DatabaseUnavailable: the database has not answered for a minute.
    """
    pace = Pace(len(ids))
    every = _EVERY_MANY_S if len(ids) > _MANY else _EVERY_S
    still = _Still()
    with _shown(title, len(ids)) as show:
        while True:
            now = ids if follow is None else follow(ids)
            done = len(ids) - jobs.unfinished(now)
            counts = jobs.counts(now)  # asked second, so that the last ones shown are final
            pace.note(done)
            finished = done >= len(ids)
            show.update(counts, done, pace, last=finished)
            if finished:
                return counts
            if standstill is not None and still.for_long(counts) and (why := standstill()):
                show.update(counts, done, pace, last=True)
                raise StandsStill(counts, why)
            if deadline_s is not None and pace.elapsed_s >= deadline_s:
                raise TimeoutError(
                    f"{len(ids) - done} of {plural(len(ids), 'job')} did not finish within {deadline_s:g} s; "
                    f"{continues(len(ids) - done)}"
                )
            time.sleep(every)


class _Still:
    """Since when the counts are the same."""

    def __init__(self) -> None:
        self._counts: Mapping[JobState, int] = {}
        self._since = 0.0

    def for_long(self, counts: Mapping[JobState, int]) -> bool:
        """Whether it is time to ask why: the counts have been the same for a while; then again after that time."""
        now = time.monotonic()
        if counts != self._counts:
            self._counts, self._since = counts, now
        elif now - self._since >= _STILL_S:
            self._since = now
            return True
        return False


def _shown(title: str, total: int) -> Lines:
    if not sys.stderr.isatty():
        return Lines(title, total)
    # Imported here: rich's bars are an eighth of the time of `reelq submit`, and only a terminal shows them.
    from producer.cli.shared.progress_bar import Bar

    return Bar(title, total)
