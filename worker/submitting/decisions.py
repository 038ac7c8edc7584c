"""Decide what the outcome of one POST means for its job, as a value. Pure.

The paid-once rule: only an outcome that proves that the gateway did not accept the job sends it back to the queue; an
outcome that proves nothing makes it unconfirmed. `circuit_breaker` decides what an outcome means for the account.
"""

from __future__ import annotations

import random

from seedance.errors import (
    AccountProblem,
    GatewayError,
    InputNotReady,
    ModelProblem,
    NotSent,
    NotServed,
    OutcomeUnknown,
    Rejected,
    Throttled,
)
from seedance.gateways.base import Submitted
from storage.jobs.reasons import Reason
from storage.jobs.records import Work
from storage.jobs.states import JobState
from worker import retry
from worker.decisions import MAX_COUNT, NO_ACCOUNT, Decision
from worker.polling.pacing import PollPacing

MAX_INPUT_NOT_READY = 8  # the problem may pass; after this many tries a person should check
UNCONFIRMED_CHECK_S = 1.0  # a callback may already have named the task; the next checks are farther apart


def decide_submit(
    result: Submitted | GatewayError, refusals: int, pacing: PollPacing, rng: random.Random | None = None
) -> Decision:
    """The decision for one POST's outcome. `refusals` counts earlier refusals in a row that left the job queued."""
    match result:
        case Submitted():
            patch = {"gateway_task_id": result.task_id, "setbacks": 0, "refusals": 0}
            return Decision(JobState.GENERATING, Reason.ACCEPTED, pacing.next_s(0.0, rng=rng), patch)
        case Throttled():
            wait_s = result.retry_after_s
            return _requeue(result, refusals, retry.THROTTLED.wait_s(refusals + 1, rng) if wait_s is None else wait_s)
        case NotSent():
            return _requeue(result, refusals, retry.NOT_SENT.wait_s(refusals + 1, rng))
        case NotServed():
            return _requeue(result, refusals, retry.NOT_SERVED.wait_s(refusals + 1, rng))
        case AccountProblem() | ModelProblem():
            return _requeue(result, refusals, retry.REQUEUED.wait_s(refusals + 1, rng))
        case InputNotReady() if refusals + 1 < MAX_INPUT_NOT_READY:
            return _requeue(result, refusals, retry.INPUT_NOT_READY.wait_s(refusals + 1, rng))
        case Rejected() | InputNotReady():
            return Decision(JobState.FAILED, Reason(result.code), patch={"error": result.as_dict()})
        case _:  # OutcomeUnknown, and everything else that does not prove that the gateway did not accept it
            reason = Reason(result.code) if isinstance(result, OutcomeUnknown) else Reason.OUTCOME_UNKNOWN
            return Decision(JobState.UNCONFIRMED, reason, UNCONFIRMED_CHECK_S, detail=result.as_dict())


def decide_assets(error: GatewayError, refusals: int, rng: random.Random | None = None) -> Decision:
    """The decision for a failed call for a job's files. Nothing was submitted, so everything except a refusal of the
    file may be tried again."""
    match error:
        case Rejected():
            return Decision(JobState.FAILED, Reason(error.code), patch={"error": error.as_dict()})
        case Throttled() if error.retry_after_s is not None:
            return _requeue(error, refusals, error.retry_after_s)
        case _:
            return _requeue(error, refusals, retry.NOT_SENT.wait_s(refusals + 1, rng))


def refusals_of(work: Work, result: Submitted | GatewayError) -> int:
    """How often in a row a job has been refused for the same reason as now; other failures do not count."""
    return work.refusals if isinstance(result, GatewayError) and work.reason == result.code else 0


def _requeue(error: GatewayError, refusals: int, wait_s: float) -> Decision:
    patch = {**NO_ACCOUNT, "refusals": min(refusals + 1, MAX_COUNT)}
    return Decision(JobState.QUEUED, Reason(error.code), wait_s, patch, error.as_dict())
