"""Check a job's earlier POSTs before the next one.

A person or the policy may submit a job again although its POST may have been accepted. If the gateway confirms the
earlier POST before the next one is made, the job uses that task and nothing is paid twice.
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
"""How long a job waits while a worker checks the task that a callback named for an earlier attempt."""


@dataclass(frozen=True, slots=True)
class SentBefore:
    """`settled`: jobs that must not be sent. `doubtful`: jobs with an earlier attempt that may have been accepted."""

    settled: frozenset[UUID] = frozenset()
    doubtful: frozenset[UUID] = frozenset()


def settle_earlier(conn: Connection, held: Sequence[Work]) -> SentBefore:
    """Move on the jobs with an accepted earlier attempt, and requeue those for which a callback reports one.

    The same transaction must begin the attempts of the others: their rows are locked, so no acceptance is written in
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
    """Check a last time before a POST whether an earlier attempt of the job was accepted.

    Raises:
        NotTried: an earlier attempt was accepted, or reported as accepted, since this one began; or the database does
            not answer.
    """
    try:
        with runtime.database.begin() as conn:
            known = attempts.earlier_attempts(conn, [job_id]).get(job_id)
    except DatabaseUnavailable as exc:
        raise NotTried(str(exc)) from exc
    if known is not None and (known.accepted or known.reported):
        raise NotTried("an earlier attempt was accepted after all")


def accepted_before(conn: Connection, job_ids: Sequence[UUID]) -> dict[UUID, Decision]:
    """Decisions for jobs whose latest POST was not accepted but an earlier one was: they do not end with the refusal
    but continue with the earlier attempt's task."""
    if not job_ids:
        return {}
    again = Decision(JobState.QUEUED, Reason.LOOKING, patch=NO_ACCOUNT)
    known = attempts.lock_jobs(conn, job_ids)
    return {found.job_id: again for found in known.values() if found.accepted or found.reported}
