"""What became known of a job's earlier POST after the job had been queued again: its task is taken, not a second one.

A person or the policy may send a job again whose POST may have been accepted. When the gateway's word on that POST
comes after all, before the next one is made, there is nothing left to pay for.
"""

from __future__ import annotations

from collections.abc import Sequence

from storage.jobs import attempts, transitions
from storage.jobs.reasons import Reason
from storage.jobs.records import Move, Work
from storage.jobs.states import JobState
from worker.runtime import Runtime


def adopt_accepted(runtime: Runtime, held: Sequence[Work]) -> list[Work]:
    """Move queued jobs that have an accepted attempt on to their task; gives the others, which may be sent."""
    sent_before = [work for work in held if work.attempt > 0]
    if not sent_before:
        return list(held)
    with runtime.database.begin() as conn:
        accepted = attempts.accepted(conn, [work.id for work in sent_before])
        transitions.move(
            conn, [_adopt(runtime, work, accepted[work.id]) for work in sent_before if work.id in accepted]
        )
    return [work for work in held if work.id not in accepted]


def _adopt(runtime: Runtime, work: Work, attempt: attempts.Accepted) -> Move:
    account = runtime.settings.account(attempt.account)
    patch = {
        "account": attempt.account,
        "gateway": account.gateway if account is not None else None,
        "model": attempt.model,
        "gateway_task_id": attempt.gateway_task_id,
        "setbacks": 0,
        "refusals": 0,
    }
    detail = {"message": f"attempt {attempt.number} turned out to be accepted"}
    return Move(
        work.id, (JobState.QUEUED,), JobState.GENERATING, Reason.ACCEPTED_LATE, work.claim, patch=patch, detail=detail
    )
