"""Decisions as values, so that a table of cases can test them, and the only way from a decision to its row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from storage.jobs.reasons import Reason
from storage.jobs.records import Move, Postponement, Work
from storage.jobs.states import JobState
from storage.logs.context import current_celery_task

MAX_COUNT = 30_000  # the counters are smallint
EVIDENCE_S = 1800.0
"""How long a gateway or a file server must give the same answer before a job that may be paid for fails.
Deployments, and proxies that answer in place of the server behind them, are over by then."""
NO_ACCOUNT: Mapping[str, Any] = {"account": None, "gateway": None, "model": None}
"""The patch that frees a job from its account when it goes back to the queue."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The next state of a job and when it is due. `target` equal to the current state means: try again later."""

    target: JobState
    reason: Reason
    due_in_s: float = 0.0
    patch: Mapping[str, Any] = field(default_factory=dict)
    detail: Mapping[str, Any] | None = None
    expires_in_s: float | None = None
    missing: str | None = None
    """As in `Postponement`."""

    def move(
        self,
        work: Work,
        *,
        sources: tuple[JobState, ...] = (),
        attempt: int | None = None,
        patch: Mapping[str, Any] | None = None,
        celery_task: UUID | None = None,
    ) -> Move:
        """The move of a job that a worker holds.

        `sources`: the states that the job may have by now, if not its own; `attempt`: the row must be at that attempt,
        under any lease; `patch` replaces the decision's own; `celery_task`: which does it, None: the current one.
        """
        return Move(
            work.id,
            sources or (work.state,),
            self.target,
            self.reason,
            work.claim if attempt is None else None,
            attempt,
            due_in_s=self.due_in_s,
            expires_in_s=self.expires_in_s,
            patch=self.patch if patch is None else patch,
            detail=self.detail,
            celery_task=celery_task or current_celery_task(),
        )

    def postponement(self, work: Work, *, polls: int = 0) -> Postponement:
        """Release the job in its current state; `polls` is how many were made."""
        setbacks = int(self.patch.get("setbacks", 0))
        return Postponement(work.id, work.claim, self.due_in_s, self.reason, setbacks, polls, self.missing)


def fail(code: Reason, message: str, **more: Any) -> Decision:
    """The job fails; `code` is the stable reason code, `more` are further fields of the error (None: left out)."""
    error = {"code": code, "message": message} | {key: value for key, value in more.items() if value is not None}
    return Decision(JobState.FAILED, code, patch={"error": error})


def draft_expired() -> Decision:
    """The failure of a queued final whose draft can be used no longer."""
    message = (
        "the gateway keeps a draft for some days, and those of its draft are over; nothing was submitted or billed"
    )
    return fail(Reason.DRAFT_EXPIRED, message)


def past_deadline() -> Decision:
    """The failure of a queued job whose deadline has passed."""
    return fail(Reason.DEADLINE_EXCEEDED, "the deadline passed before a slot was free; nothing was submitted or billed")
