"""What one answer about a task means for its job, as a value. Pure."""

from __future__ import annotations

import random

from seedance.errors import (
    GatewayError,
    TaskUnknown,
    Throttled,
)
from seedance.gateways.base import CancelOutcome, Dialect, TaskFailure, TaskReport, TaskStatus
from seedance.link_expiry import url_life_s
from storage.jobs.records import Work
from storage.jobs.states import JobState
from worker.decisions import MAX_COUNT, Decision, fail
from worker.polling.pacing import PollPacing
from worker.retry import backoff_s

MAX_TASK_UNKNOWN = 6


MAX_RESULT_MISSING = 6


_ENDED = {
    TaskStatus.FAILED: "generation_failed",
    TaskStatus.CANCELLED: "cancelled_upstream",
    TaskStatus.EXPIRED: "expired_upstream",
    TaskStatus.LOST: "gateway_lost",
}


def decide_poll(
    result: TaskReport | GatewayError,
    work: Work,
    dialect: Dialect,
    pacing: PollPacing,
    generation_timeout_s: float,
    rng: random.Random | None = None,
) -> Decision:
    """What one answer about a task means. Trouble with asking never fails a job; only the task's own end does, a task
    the gateway keeps not knowing, and one that outlives its deadline."""
    if isinstance(result, TaskReport) and result.status is TaskStatus.SUCCEEDED and result.video_url:
        return _generated(result, result.video_url, work, dialect)
    if isinstance(result, TaskReport) and result.status in _ENDED:
        return _ended(result)
    age_s = work.submitted_age_s or 0.0
    if work.deadline_in_s is not None and work.deadline_in_s <= 0:
        return fail("deadline_exceeded", f"still generating {age_s:.0f} s after it was submitted; it may be billed")
    if age_s > generation_timeout_s:
        return fail("generation_timeout", f"not finished {age_s:.0f} s after it was submitted")
    next_s = pacing.next_s(age_s, dialect.refresh_s, rng)
    if isinstance(result, TaskReport) and result.status is not TaskStatus.SUCCEEDED:
        word = "generating" if result.status is not TaskStatus.UNKNOWN else "status_unknown"
        return Decision(JobState.GENERATING, word, next_s, {"setbacks": 0})
    return _setback(result, work, pacing, next_s, rng)


def decide_cancel(
    result: TaskReport | GatewayError, cancelled: CancelOutcome | None, wanted: str, otherwise: Decision
) -> Decision:
    """What a wish to cancel makes of a poll's decision. `wanted` is keep (cancel only if that is free) or discard.

    While the gateway has not answered about a task that still waits, the wish stays and the gateway is asked again.
    """
    if cancelled is CancelOutcome.CANCELLED:
        return Decision(JobState.CANCELLED, "cancelled_upstream", detail={"message": "cancelled before it began"})
    if wanted == "discard":
        return Decision(JobState.CANCELLED, "discarded", detail={"message": "it had been submitted and may be billed"})
    waits = isinstance(result, TaskReport) and result.status is TaskStatus.QUEUED
    unanswered = isinstance(result, GatewayError) or (waits and cancelled is None)
    if unanswered or otherwise.target is not JobState.GENERATING:
        return otherwise
    message = "the gateway cannot cancel it any more; it will be billed, and its video is kept"
    patch = dict(otherwise.patch) | {"cancel_request": None}
    return Decision(JobState.GENERATING, "cancel_too_late", otherwise.due_in_s, patch, {"message": message})


def _setback(
    result: TaskReport | GatewayError, work: Work, pacing: PollPacing, next_s: float, rng: random.Random | None
) -> Decision:
    if isinstance(result, TaskReport):
        reason, limit, failed = "result_missing", MAX_RESULT_MISSING, "the gateway says it succeeded but gives no URL"
    else:
        reason, limit, failed = result.code, MAX_TASK_UNKNOWN, f"the gateway does not know the task: {result.message}"
    setbacks = min(work.setbacks + 1, MAX_COUNT) if work.reason == reason else 1
    bounded = isinstance(result, TaskReport | TaskUnknown)
    if bounded and setbacks >= limit:
        return fail("task_lost" if isinstance(result, TaskUnknown) else reason, failed)
    wait_s = max(next_s, backoff_s(setbacks, pacing.min_s, pacing.max_s, rng))
    if isinstance(result, Throttled) and result.retry_after_s is not None:
        wait_s = max(wait_s, result.retry_after_s)
    return Decision(JobState.GENERATING, reason, wait_s, {"setbacks": setbacks})


def _generated(report: TaskReport, video_url: str, work: Work, dialect: Dialect) -> Decision:
    return Decision(
        JobState.TRANSFERRING,
        "generated",
        patch={
            "video_url": video_url,
            "last_frame_url": report.last_frame_url,
            "usage": report.usage,
            "seed": report.seed,
            "setbacks": 0,
            "polls": work.polls + 1,
        },
        expires_in_s=url_life_s(video_url) or dialect.video_life_s,
    )


def _ended(report: TaskReport) -> Decision:
    code = _ENDED[report.status]
    failure = report.failure or TaskFailure(code, "the gateway gave no reason")
    return fail(
        failure.code,
        failure.message,
        gateway_code=failure.gateway_code or None,
        stage=failure.stage,
        modality=failure.modality,
        offending=failure.offending,
        retryable=failure.retryable,
    )
