"""What one answer about a task means for its job, as a value. Pure."""

from __future__ import annotations

import random

from seedance.errors import (
    GatewayError,
    TaskUnknown,
    Throttled,
)
from seedance.gateways.base import Dialect, TaskFailure, TaskReport, TaskStatus
from seedance.link_expiry import url_life_s
from storage.jobs.reasons import Reason
from storage.jobs.records import Work
from storage.jobs.states import JobState
from worker.decisions import MAX_COUNT, Decision, fail
from worker.polling.pacing import PollPacing
from worker.retry import poll_failed

MAX_TASK_UNKNOWN = 6


MAX_RESULT_MISSING = 6


_ENDED = {
    TaskStatus.FAILED: Reason.GENERATION_FAILED,
    TaskStatus.CANCELLED: Reason.CANCELLED_UPSTREAM,
    TaskStatus.EXPIRED: Reason.EXPIRED_UPSTREAM,
    TaskStatus.LOST: Reason.GATEWAY_LOST,
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
        return fail(
            Reason.DEADLINE_EXCEEDED, f"still generating {age_s:.0f} s after it was submitted; it may be billed"
        )
    if age_s > generation_timeout_s:
        return fail(Reason.GENERATION_TIMEOUT, f"not finished {age_s:.0f} s after it was submitted")
    next_s = pacing.next_s(age_s, dialect.refresh_s, rng)
    if isinstance(result, TaskReport) and result.status is not TaskStatus.SUCCEEDED:
        word = Reason.GENERATING if result.status is not TaskStatus.UNKNOWN else Reason.STATUS_UNKNOWN
        return Decision(JobState.GENERATING, word, next_s, {"setbacks": 0})
    return _setback(result, work, pacing, next_s, rng)


def decide_without_account(work: Work, generation_timeout_s: float, wait_s: float) -> Decision:
    """What becomes of a task whose account is not configured any more, so that no gateway can be asked about it."""
    if work.cancel_request == "discard":
        message = "its account is not configured any more; it had been submitted and may be billed"
        return Decision(JobState.CANCELLED, Reason.DISCARDED, detail={"message": message})
    missing = f"its account {work.account} is not configured any more; it may be billed"
    if work.deadline_in_s is not None and work.deadline_in_s <= 0:
        return fail(Reason.DEADLINE_EXCEEDED, f"the deadline passed, and {missing}")
    if (work.submitted_age_s or 0.0) > generation_timeout_s:
        return fail(Reason.GENERATION_TIMEOUT, f"not finished in time, and {missing}")
    return Decision(JobState.GENERATING, Reason.ACCOUNT_MISSING, wait_s)


def _setback(
    result: TaskReport | GatewayError, work: Work, pacing: PollPacing, next_s: float, rng: random.Random | None
) -> Decision:
    if isinstance(result, TaskReport):
        reason, limit = Reason.RESULT_MISSING, MAX_RESULT_MISSING
        failed = "the gateway says it succeeded but gives no URL"
    else:
        reason, limit, failed = (
            Reason(result.code),
            MAX_TASK_UNKNOWN,
            f"the gateway does not know the task: {result.message}",
        )
    setbacks = min(work.setbacks + 1, MAX_COUNT) if work.reason == reason else 1
    bounded = isinstance(result, TaskReport | TaskUnknown)
    if bounded and setbacks >= limit:
        return fail(Reason.TASK_LOST if isinstance(result, TaskUnknown) else reason, failed)
    wait_s = max(next_s, poll_failed(pacing.min_s, pacing.max_s).wait_s(setbacks, rng))
    if isinstance(result, Throttled) and result.retry_after_s is not None:
        wait_s = max(wait_s, result.retry_after_s)
    return Decision(JobState.GENERATING, reason, wait_s, {"setbacks": setbacks})


def _generated(report: TaskReport, video_url: str, work: Work, dialect: Dialect) -> Decision:
    return Decision(
        JobState.TRANSFERRING,
        Reason.GENERATED,
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
        Reason(failure.code),
        failure.message,
        gateway_code=failure.gateway_code or None,
        stage=failure.stage,
        modality=failure.modality,
        offending=failure.offending,
        retryable=failure.retryable,
    )
