"""`--wait` of a campaign: until every row is done, or nothing goes on before a person acts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from shlex import quote
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from producer.cli.shared.formatting import error_line
from producer.cli.shared.output import say
from producer.cli.shared.progress import StandsStill, Watched, watch
from producer.wording import plural
from storage.jobs.reasons import Reason
from storage.jobs.records import JobView
from storage.jobs.states import JobState

if TYPE_CHECKING:
    from producer.operator_actions.standstill import Standstill

SHOWN_FAILURES = 5
ON_PURPOSE = frozenset({Reason.KEPT_BACK})
"""Reasons why rows wait for a person that are no failure of a run: it asked for that."""


class RunRows(Watched, Protocol):
    """The rows of a run, by the ids of their first jobs: in the database, or behind the API."""

    def standing(self, ids: Sequence[UUID], /) -> Sequence[UUID]:
        """For each row, the job that stands for it now."""
        ...

    def follow(self, ids: Sequence[UUID], /) -> Sequence[UUID]:
        """What to count for the rows: the same, or the rows themselves where these are what is counted."""
        ...

    def standstill(self) -> Sequence[Standstill]:
        """Why nothing of the campaign goes on before a person acts; empty: something does."""
        ...

    def held(self) -> str | None:
        """Why nothing of the campaign is submitted now, and until when; None: nothing holds it."""
        ...

    def awaiting_review(self, ids: Sequence[UUID], /) -> Sequence[Standstill]:
        """How many rows have a proof that waits for a decision; empty: none."""
        ...

    def unsuccessful(self, ids: Sequence[UUID], /) -> Sequence[JobView]:
        """The first of these jobs that did not succeed."""
        ...


def see_through(rows: RunRows, ids: Sequence[UUID], name: str, still: list[dict[str, Any]]) -> Mapping[JobState, int]:
    """Wait for the rows; `still` gets the reasons if nothing goes on before a person acts. While the campaign waits for
    its start or the end of its quiet hours, that is said once."""
    said: set[str] = set()

    def standstill() -> Sequence[Standstill]:
        found = rows.standstill()
        held = None if found else rows.held()
        if held is not None and held not in said:
            said.add(held)
            say(f"{name} {held}")
        return found

    try:
        counts = watch(rows, list(set(ids)), name, standstill=standstill, follow=rows.follow)
        why: Sequence[Standstill] = ()
    except StandsStill as exc:
        counts, why = exc.counts, exc.why
    except KeyboardInterrupt:
        say(f"stopped waiting; the jobs continue (`reelq campaign status {quote(name)}`)")
        raise
    why = [*why, *rows.awaiting_review(ids)]
    for item in why:
        waits = f"{plural(item.jobs, 'job')} {'waits' if item.jobs == 1 else 'wait'}"
        say(f"{name}: stopped waiting: {waits} ({item.code}): {item.advice}")
    still += [asdict(item) for item in why]
    return counts


def say_failures(rows: RunRows, jobs: Sequence[UUID]) -> None:
    """Say why the first jobs that did not succeed did not."""
    for job in rows.unsuccessful(jobs):
        say(f"  {job.id} {job.state}: {error_line(job.error) or job.reason}")


def all_is_well(counts: Mapping[JobState, int], rows: Sequence[UUID], still: Sequence[Mapping[str, Any]]) -> bool:
    """Whether every row of a run that was waited for succeeded, or waits because the run asked for that."""
    kept_back: int = sum(why["jobs"] for why in still if why["code"] in ON_PURPOSE)
    return counts.get(JobState.SUCCEEDED, 0) >= len(set(rows)) - kept_back
