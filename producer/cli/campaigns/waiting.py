"""`--wait` of a campaign: until every row is done, or nothing goes on before a person acts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

from producer.cli.campaigns.pace_text import hold_text
from producer.cli.shared.formatting import error_line
from producer.cli.shared.output import say
from producer.cli.shared.progress import StandsStill, watch
from producer.client import Producer
from producer.operator_actions.standstill import Standstill, review_of, standstill_of
from storage.admission.campaign_pace import pace_of
from storage.campaigns.summaries import campaign_summaries
from storage.jobs import queries
from storage.jobs.reasons import Reason
from storage.jobs.states import JobState

_SHOWN_FAILURES = 5
ON_PURPOSE = frozenset({Reason.KEPT_BACK})
"""Reasons why rows wait for a person that are no failure of a run: it asked for that."""


def see_through(
    producer: Producer, rows: Sequence[UUID], name: str, still: list[dict[str, Any]]
) -> Mapping[JobState, int]:
    """Wait for the rows; `still` gets the reasons if nothing goes on before a person acts. While the campaign waits for
    its start or the end of its quiet hours, that is said once."""
    said: set[str] = set()

    def standstill() -> Sequence[Standstill]:
        with producer.database.begin() as conn:
            found = standstill_of(conn, producer.settings, producer.tenant, name)
            held = None if found else held_text(producer, name)
        if held is not None and held not in said:
            said.add(held)
            say(held)
        return found

    try:
        counts = watch(producer, list(set(rows)), name, standstill=standstill, follow=producer.standing)
        why: Sequence[Standstill] = ()
    except StandsStill as exc:
        counts, why = exc.counts, exc.why
    except KeyboardInterrupt:
        say(f"stopped waiting; the jobs continue (`reelq campaign status {name}`)")
        raise
    with producer.database.begin() as conn:
        why = [*why, *review_of(conn, producer.tenant, name, rows)]
    for item in why:
        say(f"{name}: stopped waiting: {item.jobs} jobs wait ({item.code}): {item.advice}")
    still += [asdict(item) for item in why]
    return counts


def held_text(producer: Producer, name: str) -> str | None:
    """Why nothing of a campaign is submitted now, and until when; None: nothing holds it."""
    with producer.database.begin() as conn:
        found = campaign_summaries(conn, producer.tenant, name=name, limit=1)
        held = hold_text(pace_of(conn, found[0]["id"])) if found else None
    return None if held is None else f"{name} {held}"


def say_failures(producer: Producer, jobs: Sequence[UUID]) -> None:
    """Say why the first jobs that did not succeed did not."""
    with producer.database.begin() as conn:
        found = queries.unsuccessful_of(conn, producer.tenant, jobs, _SHOWN_FAILURES)
    for job in found:
        say(f"  {job.id} {job.state}: {error_line(job.error) or job.reason}")
