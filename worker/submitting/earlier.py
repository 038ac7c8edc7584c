"""What is known of a job's earlier POSTs when the next one is due.

A person or the policy may send a job again whose POST may have been accepted. When the gateway's word on that POST
comes after all, before the next one is made, there is nothing left to pay for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from seedance.errors import NotTried
from storage.database import Connection, DatabaseUnavailable
from storage.jobs import attempts, transitions
from storage.jobs.late import settle_acceptances
from storage.jobs.reasons import Reason
from storage.jobs.records import Work
from storage.jobs.states import JobState
from worker.decisions import NO_ACCOUNT, Decision
from worker.runtime import Runtime

LOOK_S = 3.0
"""How long a job waits while the task that a callback named of an earlier attempt is looked into."""


@dataclass(frozen=True, slots=True)
class SentBefore:
    """`settled`: jobs that are not to be sent. `doubtful`: jobs of which an earlier attempt may have been accepted."""

    settled: frozenset[UUID] = frozenset()
    doubtful: frozenset[UUID] = frozenset()


def settle_earlier(conn: Connection, held: Sequence[Work]) -> SentBefore:
    """Move jobs on of which an earlier attempt was accepted, and give those back of which a callback says so.

    The transaction must also begin the attempts of the others: their rows are locked, so no acceptance is written in
    between.
    """
    sent_before = {work.id: work for work in held if work.attempt > 0}
    if not sent_before:
        return SentBefore()
    earlier = attempts.lock_queued(conn, [(work.id, work.claim) for work in sent_before.values()])
    accepted = [found.job_id for found in earlier.values() if found.accepted]
    reported = [found.job_id for found in earlier.values() if found.reported and not found.accepted]
    settle_acceptances(conn, accepted)
    later = Decision(JobState.QUEUED, Reason.LOOKING, LOOK_S, NO_ACCOUNT)
    transitions.move(conn, [later.move(sent_before[job_id]) for job_id in reported])
    doubtful = frozenset(found.job_id for found in earlier.values() if found.doubtful)
    return SentBefore(frozenset([*accepted, *reported]), doubtful)


def check_once_more(runtime: Runtime, job_id: UUID) -> None:
    """The last look before the POST of a job of which an earlier attempt may have been accepted.

    Raises:
        NotTried: that attempt was accepted or reported to be since this one was begun, or the database cannot say.
    """
    try:
        with runtime.database.begin() as conn:
            known = attempts.earlier_attempts(conn, [job_id]).get(job_id)
    except DatabaseUnavailable as exc:
        raise NotTried(str(exc)) from exc
    if known is not None and (known.accepted or known.reported):
        raise NotTried("an earlier attempt turned out to be accepted")


def accepted_before(conn: Connection, job_ids: Sequence[UUID]) -> dict[UUID, Decision]:
    """What becomes of jobs whose latest POST was not accepted, where an earlier one was: they do not end with the
    refusal, but go on with that attempt's task."""
    if not job_ids:
        return {}
    again = Decision(JobState.QUEUED, Reason.LOOKING, patch=NO_ACCOUNT)
    known = attempts.lock_jobs(conn, job_ids)
    return {found.job_id: again for found in known.values() if found.accepted or found.reported}
