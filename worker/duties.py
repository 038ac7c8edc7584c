"""What the scheduler does by the database alone, before it touches the broker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from storage import jobs
from storage.database import Connection
from storage.records import Move
from storage.settings import Settings
from storage.states import JobState
from worker.decisions import UNCONFIRMED_CHECK_S, fail

BATCH = 500


def lost_submits(conn: Connection, settings: Settings) -> int:
    """A submit whose lease ran out: its worker died or hangs, and the POST may have been accepted."""
    moves = [
        Move(
            job_id,
            (JobState.SUBMITTING,),
            JobState.UNCONFIRMED,
            "submit_lost",
            claim,
            due_in_s=UNCONFIRMED_CHECK_S,
            detail={"message": "the worker did not report what came of the POST before its lease ended"},
        )
        for job_id, claim in jobs.due(conn, JobState.SUBMITTING, BATCH)
    ]
    return len(jobs.move(conn, moves))


def unconfirmed(conn: Connection, settings: Settings) -> int:
    """Jobs that may have been accepted: held for a person, or, if the policy says so, sent again after the grace."""
    moved = 0
    if settings.unconfirmed_policy == "resubmit":
        patch: dict[str, Any] = {"account": None, "gateway": None, "model": None}
        moves = [
            Move(job_id, (JobState.UNCONFIRMED,), JobState.QUEUED, "resubmitted_by_policy", claim, patch=patch)
            for job_id, claim in jobs.resubmittable(conn, settings.unconfirmed_grace_seconds, BATCH)
        ]
        moved = len(jobs.move(conn, moves))
        wait_s = min(UNCONFIRMED_CHECK_S, settings.unconfirmed_grace_seconds / 4)
    else:
        wait_s = UNCONFIRMED_CHECK_S
    held = jobs.due(conn, JobState.UNCONFIRMED, BATCH)
    jobs.postpone(conn, [(job_id, claim, wait_s, "held", 0, 0) for job_id, claim in held])
    return moved


def deadlines(conn: Connection, settings: Settings) -> int:
    """Queued jobs whose deadline has passed: nothing was submitted, nothing will be billed."""
    decision = fail("deadline_exceeded", "the deadline passed before a slot was free; nothing was submitted or billed")
    moves = [
        Move(job_id, (JobState.QUEUED,), JobState.FAILED, decision.reason, claim, patch=decision.patch)
        for job_id, claim in jobs.past_deadline(conn, BATCH)
    ]
    return len(jobs.move(conn, moves))


DUTIES: tuple[Callable[[Connection, Settings], int], ...] = (lost_submits, unconfirmed, deadlines)
