"""What looking for an attempt's task gave, and where its job goes then, as values. Pure."""

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
"""An old doubt is looked into ever more rarely: its list is long, and little changes."""
SETTLE_S = 600.0
"""A list without the task, or with several that may be it, is believed to stay so after this time."""
DISCARD_S = 120.0
"""A job that is to be discarded is looked for no longer than this."""
MAX_DOUBTFUL = 8
"""POSTs of one job without a clear answer. Then it is not sent again on its own."""


class Unproven(Enum):
    """Why a task was not found."""

    NOT_TAKEN = "the gateway's list was read over the time of the attempt and does not show it"
    NOT_SHOWN = "the gateway's list does not show it, which proves nothing"
    PENDING = "a task that may be it has not ended, or the list could not be read"
    UNCLEAR = "the list shows tasks that cannot be distinguished"
    OUT_OF_REACH = "it was sent longer ago than the gateway lists tasks"
    NO_MEANS = "the gateway can neither list its tasks nor has it called back"
    TAKEN = "the gateway named a task that belongs to another job"


@dataclass(frozen=True, slots=True)
class Found:
    """The task is there. `sure`: nothing else that the list might show could change that."""

    task_id: str
    sure: bool = True


Evidence = Found | Unproven


@dataclass(frozen=True, slots=True)
class RetryLater:
    """Look again later."""

    reason: Reason
    seconds: float


def decide(doubt: Doubt, evidence: Evidence, settings: Settings) -> Move | RetryLater:
    """Where an unconfirmed job goes. It is sent again only where that cannot pay twice, or where the policy says so,
    and not for ever."""
    if isinstance(evidence, Found):
        patch = {"gateway_task_id": evidence.task_id, "setbacks": 0, "refusals": 0}
        return _move(doubt, JobState.GENERATING, Reason.ADOPTED, patch)
    grace_s = settings.unconfirmed_grace_seconds
    over = doubt.age_s >= grace_s
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
    tells_more = may_settle and evidence is not Unproven.NOT_TAKEN
    if doubt.cancel_request == "discard" and (not tells_more or doubt.age_s > DISCARD_S):
        message = "its task was not found; it may be billed"
        return _move(doubt, JobState.CANCELLED, Reason.DISCARDED, {}, {"message": message})
    return RetryLater(Reason.LOOKING if may_settle else Reason.HELD, _wait_s(doubt, grace_s))


def _may_settle(doubt: Doubt, evidence: Unproven, grace_s: float) -> bool:
    """Whether looking again may still answer the question, so that no person is asked yet."""
    match evidence:
        case Unproven.NOT_TAKEN:
            return True
        case Unproven.PENDING:
            return doubt.age_s < 2 * grace_s
        case Unproven.NOT_SHOWN | Unproven.UNCLEAR:
            return doubt.age_s < min(grace_s, SETTLE_S)
    return False


def _wait_s(doubt: Doubt, grace_s: float) -> float:
    left_s = grace_s - doubt.age_s
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
    words = last.get("message") or "no answer"
    message = f"{doubt.doubtful} attempts without a clear answer, each proven not accepted; the last answer: {words}"
    return last | {"code": Reason.NEVER_ACCEPTED, "message": message}
