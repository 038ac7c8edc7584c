"""Watching jobs until each finishes or needs a decision: a bar on a terminal, else a line every few seconds."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from uuid import UUID

from producer.cli.shared.pace import Lines, Pace
from producer.client import Producer
from storage.jobs.states import JobState

_EVERY_S = 0.25
_EVERY_MANY_S = 1.0  # asking about ten thousand jobs costs the database more than about ten
_MANY = 2_000


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
    with _shown(title, len(ids)) as show:
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
                    f"{len(ids) - done} of {len(ids)} jobs did not finish within {deadline_s:g} s; they continue"
                )
            time.sleep(every)


def _shown(title: str, total: int) -> Lines:
    if not sys.stderr.isatty():
        return Lines(title, total)
    # Imported here: rich's bars are an eighth of the time of `reelq submit`, and only a terminal shows them.
    from producer.cli.shared.progress_bar import Bar

    return Bar(title, total)
