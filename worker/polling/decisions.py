"""Decide what one answer about a task means for its job, as a value. Pure.

A job that may be paid for does not fail on thin evidence: a gateway must report a task as missing several times over
half an hour. Once a generation has succeeded, nothing here fails its job: `worker.transferring` decides that, because
it knows whether the video's link still works.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

from seedance.errors import GatewayError, TaskUnknown, Throttled
from seedance.gateways.base import CancelOutcome, Dialect, TaskFailure, TaskReport, TaskStatus
from seedance.link_expiry import url_life_s
from seedance.problems import InvalidInput
from seedance.request import parse_request
from storage.jobs.reasons import Reason
from storage.jobs.records import Work
from storage.jobs.states import JobState
from worker.decisions import EVIDENCE_S, MAX_COUNT, Decision, fail
from worker.polling.pacing import PollPacing
from worker.retry import poll_failed

MISSING_TIMES = 6
"""How many times a gateway must say that it has no such task, or a finished one without a URL."""
LINK_LIVES = 2.0
"""Link lifetimes after which we stop waiting for a silent gateway to give a fresh link."""
SILENT_TIMES = 30
"""How many questions in a row must have failed by then, about half an hour with the default schedule."""

_ENDED = {
    TaskStatus.FAILED: Reason.GENERATION_FAILED,
    TaskStatus.CANCELLED: Reason.CANCELLED_UPSTREAM,
    TaskStatus.EXPIRED: Reason.EXPIRED_UPSTREAM,
    TaskStatus.LOST: Reason.GATEWAY_LOST,
}
_UNFINISHED = frozenset({TaskStatus.QUEUED, TaskStatus.RUNNING, TaskStatus.UNKNOWN})


def decide_poll(
    result: TaskReport | GatewayError,
    work: Work,
    dialect: Dialect,
    pacing: PollPacing,
    generation_timeout_s: float,
    rng: random.Random | None = None,
    cancelled: CancelOutcome | GatewayError | None = None,
) -> Decision:
    """Decide what one answer about a task means for its job.

    A failed query never fails a job. A job fails when its task ends without a video, when the gateway keeps reporting
    the task as unknown, or when the task outlives its deadline.

    `cancelled`: the answer to the cancel call; an error: no clear answer; None: the call was not made.
    """
    if isinstance(result, TaskReport) and result.status is TaskStatus.SUCCEEDED and result.video_url:
        return _generated(result, result.video_url, work, dialect)
    if work.generated_age_s is not None and work.video_url is not None:
        return _no_fresh_link(result, work, work.generated_age_s, dialect, pacing, rng)
    if isinstance(result, TaskReport) and result.status in _ENDED:
        return _ended(result)
    if isinstance(result, TaskReport) and result.content_url and _is_missing_for_long(Reason.RESULT_MISSING, work):
        return _generated(result, result.content_url, work, dialect)
    if (overdue := _overdue(result, work, dialect, cancelled)) is not None:
        return overdue
    age_s = work.submitted_age_s or 0.0
    if age_s > generation_timeout_s:
        return fail(Reason.GENERATION_TIMEOUT, f"not finished {age_s:.0f} s after it was submitted; it may be billed")
    next_s = pacing.next_s(age_s, dialect.refresh_s, rng)
    if isinstance(result, TaskReport) and result.status in _UNFINISHED:
        reason = Reason.GENERATING if result.status is not TaskStatus.UNKNOWN else Reason.STATUS_UNKNOWN
        return Decision(JobState.GENERATING, reason, next_s, {"setbacks": 0}, missing="")
    return _setback(result, work, pacing, next_s, rng)


def decide_without_account(work: Work, generation_timeout_s: float, wait_s: float) -> Decision:
    """Decide about a job whose account is no longer configured, so that no gateway can be asked about its task.

    If its video was generated, the known link is tried again.
    """
    if work.cancel_request == "discard":
        message = "its account is no longer configured; the job was already submitted and may be billed"
        return Decision(JobState.CANCELLED, Reason.DISCARDED, detail={"message": message})
    if work.generated_age_s is not None and work.video_url is not None:
        detail = {"message": f"no fresh link: its account {work.account} is no longer configured"}
        return Decision(JobState.TRANSFERRING, Reason.NO_FRESH_LINK, patch={"setbacks": 0}, detail=detail)
    missing = f"its account {work.account} is no longer configured; it may be billed"
    if work.deadline_in_s is not None and work.deadline_in_s <= 0:
        return fail(Reason.DEADLINE_EXCEEDED, f"the deadline passed, and {missing}")
    if (work.submitted_age_s or 0.0) > generation_timeout_s:
        return fail(Reason.GENERATION_TIMEOUT, f"not finished in time, and {missing}")
    return Decision(JobState.GENERATING, Reason.ACCOUNT_MISSING, wait_s)


def is_past_deadline(work: Work) -> bool:
    """Whether a job's own deadline has passed; False if it has none."""
    return work.deadline_in_s is not None and work.deadline_in_s <= 0


def _overdue(
    result: TaskReport | GatewayError, work: Work, dialect: Dialect, cancelled: CancelOutcome | GatewayError | None
) -> Decision | None:
    """The failure of a job whose deadline has passed; None if it has not, or while a clear answer may still come.

    Without a clear answer from the gateway, the task may have been finished, and paid for, before the deadline.
    """
    if work.deadline_in_s is None or not is_past_deadline(work):
        return None
    if cancelled is CancelOutcome.CANCELLED:
        message = "the deadline passed; its task was cancelled at the gateway before it began, and is not billed"
        return fail(Reason.DEADLINE_EXCEEDED, message, may_be_billed=False)
    clear = isinstance(result, TaskReport) and result.status in _UNFINISHED
    is_queued = isinstance(result, TaskReport) and result.status is TaskStatus.QUEUED
    uncancelled = is_queued and not isinstance(cancelled, CancelOutcome) and dialect.capabilities().cancel
    if (uncancelled or not clear) and -work.deadline_in_s < EVIDENCE_S:
        return None
    age_s = work.submitted_age_s or 0.0
    known = "still generating" if clear else "not known to be finished"
    message = f"{known} {age_s:.0f} s after it was submitted; it may be billed"
    return fail(Reason.DEADLINE_EXCEEDED, message, may_be_billed=True)


def _setback(
    result: TaskReport | GatewayError, work: Work, pacing: PollPacing, next_s: float, rng: random.Random | None
) -> Decision:
    reason = Reason.RESULT_MISSING if isinstance(result, TaskReport) else Reason(result.code)
    # A time-out or a proxy's answer says nothing about the task: the gateway's earlier answers still count.
    missing = reason if isinstance(result, TaskReport | TaskUnknown) else None
    if missing is not None and _is_missing_for_long(missing, work):
        return _missing(result, work.missing_times + 1, work.missing_for_s)
    setbacks = min(work.setbacks + 1, MAX_COUNT) if work.reason == reason else 1
    wait_s = max(next_s, poll_failed(pacing.min_s, pacing.max_s).wait_s(setbacks, rng))
    if isinstance(result, Throttled) and result.retry_after_s is not None:
        wait_s = max(wait_s, result.retry_after_s)
    return Decision(JobState.GENERATING, reason, wait_s, {"setbacks": setbacks}, missing=missing)


def _is_missing_for_long(missing: Reason, work: Work) -> bool:
    """Whether a gateway that reports this once more has said it often enough, and for long enough."""
    return work.missing == missing and work.missing_times + 1 >= MISSING_TIMES and work.missing_for_s >= EVIDENCE_S


def _missing(result: TaskReport | GatewayError, times: int, for_s: float) -> Decision:
    how_often = f"{times} times in {for_s / 60:.0f} min"
    if isinstance(result, TaskReport):
        message = f"the gateway reported success without a URL {how_often}; it may be billed"
        return fail(Reason.RESULT_MISSING, message)
    message = f"the gateway reported the task as unknown {how_often}; it may be billed: {result.message}"
    return fail(Reason.TASK_LOST, message)


def _generated(report: TaskReport, video_url: str, work: Work, dialect: Dialect) -> Decision:
    expires_in_s = _link_life_s(report, video_url, work, dialect)
    # The gateway was asked again because of a dead link, and it has no other.
    still_dead = work.generated_age_s is not None and expires_in_s <= 0
    result = {
        "video_url": video_url,
        "last_frame_url": report.last_frame_url,
        "usage": report.usage,
        "seed": report.seed,
        "draft_ends_at": _draft_ends_at(report, work, dialect),
    }
    return Decision(
        JobState.TRANSFERRING,
        Reason.NO_FRESH_LINK if still_dead else Reason.GENERATED,
        # Keep the values of an earlier answer that a later one leaves out.
        patch={name: value for name, value in result.items() if value is not None}
        | {"setbacks": 0, "polls": work.polls + 1},
        expires_in_s=expires_in_s,
    )


def _draft_ends_at(report: TaskReport, work: Work, dialect: Dialect) -> str | None:
    """Until when a final can be made of a finished draft; None: it is no draft, or its gateway says nothing of that.

    The life of the task's record begins when the gateway accepted it, by the gateway's clock; where that is not shown,
    or is later than ours, when it was submitted.
    """
    if not work.request.get("draft"):
        return None
    try:
        row = dialect.row_of(parse_request(work.request))
    except InvalidInput:  # the rules have changed since the job was stored; its video counts
        return None
    if row is None or row.drafts is None:
        return None
    begun = work.read_at.timestamp() - (work.submitted_age_s or 0.0)
    if report.created_at is not None:
        begun = min(begun, report.created_at)
    return (datetime.fromtimestamp(begun, UTC) + timedelta(days=row.drafts.life_days)).isoformat()


def _link_life_s(report: TaskReport, video_url: str, work: Work, dialect: Dialect) -> float:
    """Seconds until a link expires, below 0 if it has expired.

    The expiry in the link itself counts. Without one, its life began when the generation ended: at the time that the
    gateway names, or else at the earliest possible time, right after the last poll that found the task unfinished.
    """
    submitted_age_s = work.submitted_age_s or 0.0
    if report.finished_at is not None:  # by the gateway's clock
        age_s = min(max(work.read_at.timestamp() - report.finished_at, 0.0), max(submitted_age_s, 0.0))
    else:
        age_s = submitted_age_s if work.unfinished_age_s is None else work.unfinished_age_s
    finished_at = datetime.fromtimestamp(work.read_at.timestamp() - age_s, UTC)
    named_s = url_life_s(video_url, work.read_at, finished_at)
    if named_s is not None:
        return named_s
    return dialect.video_life_s - age_s


def _no_fresh_link(
    result: TaskReport | GatewayError,
    work: Work,
    generated_age_s: float,
    dialect: Dialect,
    pacing: PollPacing,
    rng: random.Random | None,
) -> Decision:
    """The gateway was asked for a fresh link to a finished video and gives none: try the known link again.

    While the gateway does not answer and the known link is dead, ask it again.
    """
    answered = isinstance(result, TaskReport | TaskUnknown)
    alive = work.expires_in_s is not None and work.expires_in_s > 0
    # Everything may have stood still for days: then this is the first question, and one failure says nothing.
    silent = generated_age_s > LINK_LIVES * dialect.video_life_s and work.setbacks >= SILENT_TIMES
    if answered or alive or silent:
        why = f"the gateway says {result.raw_status!r}" if isinstance(result, TaskReport) else result.message
        detail = {"message": f"no fresh link: {why}"}
        patch = {"setbacks": 0, "polls": work.polls + 1}
        return Decision(JobState.TRANSFERRING, Reason.NO_FRESH_LINK, patch=patch, detail=detail)
    return _setback(result, work, pacing, pacing.next_s(generated_age_s, dialect.refresh_s, rng), rng)


def _ended(report: TaskReport) -> Decision:
    code = _ENDED[report.status]
    failure = report.failure or TaskFailure(code, "the gateway gave no reason")
    return fail(
        Reason(failure.code),
        failure.message,
        gateway_code=failure.gateway_code or None,
        stage=failure.stage,
        modality=failure.modality,
        offending=failure.offending,
        field=failure.field,
        retryable=failure.retryable,
    )
