"""The evidence for an attempt's task, and the decision about its job, as values. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from storage.jobs.doubts import Doubt
from storage.jobs.reasons import Reason
from storage.jobs.records import Move
from storage.jobs.states import JobState
from storage.settings import Settings
from worker.decisions import NO_ACCOUNT

FIRST_CHECK_S = 2.0
CHECK_S = 60.0
LATEST_CHECK_S = 1800.0
_AGE_SHARE = 0.05
"""The older a doubt, the more rarely it is checked: its list is long, and little changes."""
SETTLE_S = 600.0
"""A list without the task, or with several that may be it, is assumed not to change after this time."""
DISCARD_S = 120.0
"""How long to look for the task of a job that must be discarded."""
MAX_DOUBTFUL = 8
"""After this many POSTs without a clear answer, a job is not submitted again automatically."""


class Unproven(Enum):
    """Why a task was not found."""

    NOT_TAKEN = "the gateway's list covers the time of the attempt and does not show its task"
    NOT_SHOWN = "the gateway's list does not show its task, but this proves nothing"
    PENDING = "a task that may be the right one has not ended, or the list could not be read"
    UNCLEAR = "the list shows tasks that cannot be distinguished"
    OUT_OF_REACH = "the attempt is older than the tasks that the gateway lists"
    NO_MEANS = "the gateway cannot list its tasks and has not called back"
    TAKEN = "the gateway named a task that belongs to another job"


@dataclass(frozen=True, slots=True)
class Found:
    """The task was found. `sure`: no other entry of the list can change that."""

    task_id: str
    sure: bool = True


Evidence = Found | Unproven


@dataclass(frozen=True, slots=True)
class RetryLater:
    """Check again later."""

    reason: Reason
    seconds: float


def decide(doubt: Doubt, evidence: Evidence, settings: Settings) -> Move | RetryLater:
    """The decision about an unconfirmed job. It is submitted again only if that cannot pay twice or the policy says so,
    and only a limited number of times."""
    if isinstance(evidence, Found):
        patch = {"gateway_task_id": evidence.task_id, "setbacks": 0, "refusals": 0}
        return _move(doubt, JobState.GENERATING, Reason.ADOPTED, patch)
    grace_s = settings.unconfirmed_grace_seconds
    over = doubt.unanswered_s >= grace_s
    proven = over and evidence is Unproven.NOT_TAKEN
    by_policy = over and settings.unconfirmed_policy == "resubmit" and evidence is not Unproven.TAKEN
    detail = {"message": evidence.value}
    if proven and doubt.cancel_request is None and doubt.doubtful >= MAX_DOUBTFUL:
        return _move(doubt, JobState.FAILED, Reason.NEVER_ACCEPTED, {"error": _never_accepted(doubt)}, detail)
    if proven or (by_policy and doubt.doubtful < MAX_DOUBTFUL):
        target = JobState.QUEUED if doubt.cancel_request is None else JobState.CANCELLED
        reason = Reason.PROVEN_NOT_SUBMITTED if proven else Reason.RESUBMITTED_BY_POLICY
        return _move(doubt, target, reason, dict(NO_ACCOUNT), detail)
    may_settle = _may_settle(doubt, evidence, grace_s)
    is_open = may_settle and evidence is not Unproven.NOT_TAKEN
    if doubt.cancel_request == "discard" and (not is_open or doubt.age_s > DISCARD_S):
        message = "its task was not found; it may be billed"
        return _move(doubt, JobState.CANCELLED, Reason.DISCARDED, {}, {"message": message})
    return RetryLater(Reason.LOOKING if may_settle else Reason.HELD, _wait_s(doubt, grace_s))


def _may_settle(doubt: Doubt, evidence: Unproven, grace_s: float) -> bool:
    """Whether another check may still settle the doubt, so that no person has to decide yet."""
    match evidence:
        case Unproven.NOT_TAKEN:
            return True
        case Unproven.PENDING:
            return doubt.age_s < 2 * grace_s
        case Unproven.NOT_SHOWN | Unproven.UNCLEAR:
            return doubt.age_s < min(grace_s, SETTLE_S)
    return False


def _wait_s(doubt: Doubt, grace_s: float) -> float:
    left_s = grace_s - doubt.unanswered_s
    if left_s > 0:
        return min(CHECK_S, max(FIRST_CHECK_S, doubt.age_s / 2), left_s + 0.1, max(grace_s / 4, 0.5))
    return min(max(CHECK_S, doubt.age_s * _AGE_SHARE), LATEST_CHECK_S)


def _move(
    doubt: Doubt, target: JobState, reason: Reason, patch: dict[str, Any], detail: dict[str, Any] | None = None
) -> Move:
    source = (JobState.UNCONFIRMED,)
    return Move(doubt.id, source, target, reason, doubt.claim, doubt.attempt.number, patch=patch, detail=detail)


def _never_accepted(doubt: Doubt) -> dict[str, Any]:
    last = dict(doubt.error or {})
    answer = last.get("message") or "no answer"
    message = f"{doubt.doubtful} attempts without a clear answer, each proven not accepted; the last answer: {answer}"
    return last | {"code": Reason.NEVER_ACCEPTED, "message": message}
