"""Cancel a job whose task is at its gateway: when to ask the gateway, and what the answer means for the job.

The gateway is asked only if it says that the task is still queued: Ark's call deletes the record of a task that has
ended. As long as the task may still be queued, the request to cancel stays, and the gateway is asked again soon.
"""

from __future__ import annotations

import logging
import random

from seedance.client import GatewayClient
from seedance.errors import GatewayError, TaskUnknown, Throttled
from seedance.gateways.base import CancelOutcome, TaskReport, TaskStatus
from storage.jobs.reasons import Reason
from storage.jobs.records import Work
from storage.jobs.states import JobState
from worker.decisions import MAX_COUNT, Decision
from worker.polling.decisions import is_past_deadline
from worker.retry import CANCEL

log = logging.getLogger("reelq.poll")

MAX_DISCARD_TRIES = 8
"""How many times to ask the gateway to cancel the task of a discarded job, about 40 s; then the job ends."""


def wants_cancel(work: Work) -> bool:
    """Whether to ask the gateway to cancel a task that has not begun: on request or after the deadline."""
    return work.cancel_request is not None or (work.generated_age_s is None and is_past_deadline(work))


async def ask_to_cancel(
    client: GatewayClient, work: Work, result: TaskReport | GatewayError
) -> CancelOutcome | GatewayError | None:
    """Ask the gateway to cancel a task, if that is wanted and the task is queued.

    Returns an error if the gateway gave no clear answer, None if it was not asked.
    """
    if not wants_cancel(work) or not isinstance(result, TaskReport) or result.status is not TaskStatus.QUEUED:
        return None
    try:
        return await client.cancel(work.gateway_task_id or "")
    except GatewayError as exc:
        log.warning("poll.not_cancelled job_id=%s code=%s %s", work.id, exc.code, exc.message)
        return exc


def decide_cancel(
    result: TaskReport | GatewayError,
    cancelled: CancelOutcome | GatewayError | None,
    work: Work,
    otherwise: Decision,
    rng: random.Random | None = None,
) -> Decision:
    """The decision of a poll (`otherwise`), changed by a request to cancel. Pure.

    `result` is the answer to the query, `cancelled` that of `ask_to_cancel`. The request is `keep` (cancel only if that
    is free) or `discard`.
    """
    status = result.status if isinstance(result, TaskReport) else None
    if cancelled is CancelOutcome.CANCELLED or status is TaskStatus.CANCELLED:
        return Decision(JobState.CANCELLED, Reason.CANCELLED_UPSTREAM, detail={"message": "cancelled before it began"})
    answered = isinstance(cancelled, CancelOutcome) or work.generated_age_s is not None
    may_wait = not answered and status in (None, TaskStatus.QUEUED, TaskStatus.UNKNOWN)
    tries = min(work.setbacks + 1, MAX_COUNT) if work.reason == Reason.CANCELLING else 1
    if work.cancel_request == "discard":
        if may_wait and tries <= MAX_DISCARD_TRIES and otherwise.target is JobState.GENERATING:
            return _ask_again(result, cancelled, tries, rng)
        return Decision(
            JobState.CANCELLED, Reason.DISCARDED, detail={"message": "the job was already submitted and may be billed"}
        )
    if otherwise.reason is Reason.TASK_LOST:  # the answer to an earlier call may have been lost
        message = "the gateway no longer knows the task; it may have been billed"
        return Decision(JobState.CANCELLED, Reason.TASK_LOST, detail={"message": message})
    if otherwise.target is not JobState.GENERATING or isinstance(result, TaskUnknown):
        return otherwise
    if may_wait:
        return _ask_again(result, cancelled, tries, rng)
    message = "the gateway can no longer cancel it; it will be billed, and its video is kept"
    patch = dict(otherwise.patch) | {"cancel_request": None}
    return Decision(JobState.GENERATING, Reason.CANCEL_TOO_LATE, otherwise.due_in_s, patch, {"message": message})


def _ask_again(
    result: TaskReport | GatewayError,
    cancelled: CancelOutcome | GatewayError | None,
    tries: int,
    rng: random.Random | None,
) -> Decision:
    named = [error.retry_after_s or 0.0 for error in (result, cancelled) if isinstance(error, Throttled)]
    wait_s = max(CANCEL.wait_s(tries, rng), *named, 0.0)
    return Decision(JobState.GENERATING, Reason.CANCELLING, wait_s, {"setbacks": tries})
