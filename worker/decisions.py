"""What an outcome means for a job: decisions as values, so that one table of cases tests all of them.

The paid-once rule is the first function: only an outcome that proves the gateway did not take the job sends it back to
the queue, and an outcome that proves nothing makes it unconfirmed.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from seedance.errors import (
    AccountProblem,
    GatewayError,
    NotSent,
    NotTried,
    OutcomeUnknown,
    Rejected,
    TaskUnknown,
    Throttled,
    Unavailable,
)
from seedance.gateways.base import Dialect, Submitted, TaskFailure, TaskReport, TaskStatus
from storage.records import Work
from storage.states import JobState
from worker.expiry import url_life_s
from worker.pacing import PollPacing, backoff_s

MAX_UNAVAILABLE = 8  # a gateway's own 500: worth a few more tries, then a person should look
MAX_TASK_UNKNOWN = 6
MAX_RESULT_MISSING = 6
RETRY_FIRST_S, RETRY_CAP_S = 1.0, 60.0
OUTAGE_RETRY_CAP_S = 20.0
THROTTLE_FIRST_S, THROTTLE_CAP_S = 1.0, 15.0
SUSPEND_S = 10.0  # doubled for each probe that fails as well
UNCONFIRMED_CHECK_S = 1.0  # a callback may already have named the task; the next looks are farther apart
MAX_COUNT = 30_000  # the counters are smallint

_ENDED = {
    TaskStatus.FAILED: "generation_failed",
    TaskStatus.CANCELLED: "cancelled_upstream",
    TaskStatus.EXPIRED: "expired_upstream",
    TaskStatus.LOST: "gateway_lost",
}


@dataclass(frozen=True, slots=True)
class Decision:
    """Where a job goes next and when. `target` equal to the present state means: the same again later.

    `throttled`: the account had too many; `throttle_s` is how long it is to be left alone, None when the gateway named
    no time. `suspend_s`: keep the whole account from submitting for so long, None to leave it alone.
    """

    target: JobState
    reason: str
    due_in_s: float = 0.0
    patch: Mapping[str, Any] = field(default_factory=dict)
    detail: Mapping[str, Any] | None = None
    expires_in_s: float | None = None
    throttled: bool = False
    throttle_s: float | None = None
    suspend_s: float | None = None


def fail(code: str, message: str, **more: Any) -> Decision:
    """The job ends in failure; `code` is the stable word for why."""
    error = {"code": code, "message": message} | {key: value for key, value in more.items() if value is not None}
    return Decision(JobState.FAILED, code, patch={"error": error})


def decide_submit(
    result: Submitted | GatewayError,
    refusals: int,
    pacing: PollPacing,
    rng: random.Random | None = None,
    *,
    away: int | None = None,
) -> Decision:
    """What one POST's outcome means. `refusals` counts the earlier ones that left the job in the queue. `away`: the
    fault is the gateway's as a whole and will not fail the job, which was tried so often meanwhile; None: it is not.
    """
    match result:
        case NotSent() | Unavailable() if away is not None and is_trouble(result):
            return _wait_out(result, away, rng)
        case Submitted():
            patch = {"gateway_task_id": result.task_id, "setbacks": 0, "refusals": 0}
            return Decision(JobState.GENERATING, "accepted", pacing.next_s(0.0, rng=rng), patch)
        case Throttled():
            wait_s = result.retry_after_s
            if wait_s is None:
                wait_s = backoff_s(refusals + 1, THROTTLE_FIRST_S, THROTTLE_CAP_S, rng)
            return _requeue(result, refusals, wait_s, throttled=True, throttle_s=result.retry_after_s)
        case NotSent():
            return _requeue(result, refusals, backoff_s(refusals + 1, RETRY_FIRST_S, RETRY_CAP_S, rng))
        case Unavailable() if refusals + 1 < MAX_UNAVAILABLE:
            return _requeue(result, refusals, backoff_s(refusals + 1, RETRY_FIRST_S, RETRY_CAP_S, rng))
        case AccountProblem():
            return _requeue(result, refusals, RETRY_FIRST_S, suspend_s=SUSPEND_S)
        case Rejected() | Unavailable():
            return Decision(JobState.FAILED, result.code, patch={"error": result.as_dict()})
        case _:  # OutcomeUnknown, and whatever else is not proof that the gateway did not take it
            code = result.code if isinstance(result, OutcomeUnknown) else OutcomeUnknown.code
            return Decision(JobState.UNCONFIRMED, code, UNCONFIRMED_CHECK_S, detail=result.as_dict())


def named_pause_s(decisions: Sequence[Decision]) -> float | None:
    """The longest time for which a gateway wants to be left alone; None when it named none."""
    return max((d.throttle_s for d in decisions if d.throttle_s is not None), default=None)


def refusals_of(work: Work, result: Submitted | GatewayError) -> int:
    """How often in a row a job has been refused as it was now: what failed for another reason proves nothing of it."""
    return work.refusals if isinstance(result, GatewayError) and work.reason == result.code else 0


def is_trouble(result: Submitted | GatewayError) -> bool:
    """What a gateway that is away answers, and what its silence becomes."""
    return isinstance(result, NotSent | Unavailable | OutcomeUnknown) and not isinstance(result, NotTried)


def _wait_out(error: GatewayError, setbacks: int, rng: random.Random | None) -> Decision:
    patch = {"account": None, "gateway": None, "model": None, "setbacks": min(setbacks + 1, MAX_COUNT)}
    wait_s = backoff_s(setbacks + 1, RETRY_FIRST_S, OUTAGE_RETRY_CAP_S, rng)
    return Decision(JobState.QUEUED, error.code, wait_s, patch, error.as_dict())


def _requeue(error: GatewayError, refusals: int, wait_s: float, **account: Any) -> Decision:
    patch = {"account": None, "gateway": None, "model": None, "refusals": min(refusals + 1, MAX_COUNT)}
    return Decision(JobState.QUEUED, error.code, wait_s, patch, error.as_dict(), **account)


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


def decide_cancel(result: TaskReport | GatewayError, cancelled: bool, wanted: str, otherwise: Decision) -> Decision:
    """What a wish to cancel makes of a poll's decision. `wanted` is keep (cancel only if that is free) or discard."""
    if cancelled:
        return Decision(JobState.CANCELLED, "cancelled_upstream", detail={"message": "cancelled before it began"})
    if wanted == "discard":
        return Decision(JobState.CANCELLED, "discarded", detail={"message": "it had been submitted and may be billed"})
    if isinstance(result, GatewayError) or otherwise.target is not JobState.GENERATING:
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
