"""What one POST's outcome means for its job, as a value. Pure."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from seedance.errors import (
    AccountProblem,
    GatewayError,
    InputNotReady,
    ModelProblem,
    NotSent,
    NotServed,
    NotTried,
    OutcomeUnknown,
    Rejected,
    Throttled,
    Unavailable,
)
from seedance.gateways.base import Submitted
from storage.jobs.records import Work
from storage.jobs.states import JobState
from worker.decisions import MAX_COUNT, Decision
from worker.polling.pacing import PollPacing
from worker.retry import backoff_s

MAX_UNAVAILABLE = 8  # tries of what may pass by itself, then a person should look


RETRY_FIRST_S, RETRY_CAP_S = 1.0, 60.0


OUTAGE_RETRY_CAP_S = 20.0


THROTTLE_FIRST_S, THROTTLE_CAP_S = 1.0, 15.0


SUSPEND_S = 10.0  # doubled for each probe that fails as well


UNCONFIRMED_CHECK_S = 1.0  # a callback may already have named the task; the next looks are farther apart


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
        case NotSent() | NotServed() | Unavailable() if away is not None and is_trouble(result):
            return _wait_out(result, away, rng)
        case Submitted():
            patch = {"gateway_task_id": result.task_id, "setbacks": 0, "refusals": 0}
            return Decision(JobState.GENERATING, "accepted", pacing.next_s(0.0, rng=rng), patch)
        case Throttled():
            wait_s = result.retry_after_s
            if wait_s is None:
                wait_s = backoff_s(refusals + 1, THROTTLE_FIRST_S, THROTTLE_CAP_S, rng)
            return _requeue(result, refusals, wait_s, throttled=True, throttle_s=result.retry_after_s)
        case NotSent() | NotServed():  # never the job's fault, however often
            return _requeue(result, refusals, backoff_s(refusals + 1, RETRY_FIRST_S, RETRY_CAP_S, rng))
        case InputNotReady() | Unavailable() if refusals + 1 < MAX_UNAVAILABLE:
            return _requeue(result, refusals, backoff_s(refusals + 1, RETRY_FIRST_S, RETRY_CAP_S, rng))
        case AccountProblem() | ModelProblem():
            return _requeue(result, refusals, RETRY_FIRST_S, suspend_s=SUSPEND_S)
        case Rejected() | InputNotReady() | Unavailable():
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
    """What a gateway that is away answers, and what its silence becomes. `Unavailable`: of a question before a POST."""
    trouble = NotSent | NotServed | Unavailable | OutcomeUnknown
    return isinstance(result, trouble) and not isinstance(result, NotTried)


def _wait_out(error: GatewayError, setbacks: int, rng: random.Random | None) -> Decision:
    patch = {"account": None, "gateway": None, "model": None, "setbacks": min(setbacks + 1, MAX_COUNT)}
    wait_s = backoff_s(setbacks + 1, RETRY_FIRST_S, OUTAGE_RETRY_CAP_S, rng)
    return Decision(JobState.QUEUED, error.code, wait_s, patch, error.as_dict())


def _requeue(error: GatewayError, refusals: int, wait_s: float, **account: Any) -> Decision:
    patch = {"account": None, "gateway": None, "model": None, "refusals": min(refusals + 1, MAX_COUNT)}
    return Decision(JobState.QUEUED, error.code, wait_s, patch, error.as_dict(), **account)
