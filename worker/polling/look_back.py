"""Look back: ask about tasks that were reported of attempts which their jobs do not wait for.

A job was sent again, given up or has ended, and then a callback or a list shows that the earlier attempt was accepted.
If the job still waits, it takes that task. Otherwise it is reported as paid for in vain, and a task that has not begun
is cancelled where the gateway can.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from seedance.client import GatewayClient
from seedance.errors import GatewayError, TaskUnknown, Unavailable
from seedance.gateways.base import CancelOutcome, TaskReport, TaskStatus
from storage.jobs import attempts, callbacks, late
from storage.jobs.callbacks import Reported
from storage.jobs.reasons import Reason
from storage.jobs.records import AttemptOutcome
from worker.batch import run_batch
from worker.runtime import Runtime

log = logging.getLogger("reelq.look_back")

ACCOUNT_MISSING_S = 600.0
SUBMITTING_S = 5.0
"""Until a job whose next POST is under way is looked at again."""
FIRST_AGAIN_S, LATEST_AGAIN_S = 10.0, 1800.0
YOUNG_S = 600.0
"""So young a task may not be known to every part of its gateway yet."""
OLD_S = 8 * 86_400.0
"""Older than any gateway remembers its tasks."""
_FREE_ENDS = frozenset({TaskStatus.FAILED, TaskStatus.CANCELLED, TaskStatus.EXPIRED})


@dataclass(frozen=True, slots=True)
class LookedBack:
    """What the gateway said about one reported task, and whether it was cancelled because its job does not need it."""

    reported: Reported
    result: TaskReport | GatewayError
    cancelled: bool = False


def look_back_batch(runtime: Runtime, account: str, claimed: Sequence[tuple[UUID, int]]) -> None:
    """Look into the attempts (job, number) of a claimed batch."""
    client = runtime.client(account)
    with runtime.database.begin() as conn:
        found = callbacks.reported(conn, claimed)
        if client is None:
            log.error("look_back.account_missing account=%s: put it back into the configuration", account)
            callbacks.looked(conn, [(item, ACCOUNT_MISSING_S) for item in found])
            return
    run_batch(runtime, found, lambda item: _look(client, item), lambda batch: _write(runtime, batch))


async def _look(client: GatewayClient, reported: Reported) -> LookedBack:
    try:
        report = await client.query(reported.task_id)
    except GatewayError as exc:
        return LookedBack(reported, exc)
    except Exception as exc:  # a query can always be repeated
        log.exception("look_back.failed job_id=%s", reported.job_id)
        error = Unavailable(f"{type(exc).__name__}: {exc}", gateway=client.dialect.name, operation="query")
        return LookedBack(reported, error)
    cancelled = False
    if reported.unneeded and report.status is TaskStatus.QUEUED:
        try:
            cancelled = await client.cancel(reported.task_id) is CancelOutcome.CANCELLED
        except GatewayError as exc:
            log.warning("look_back.not_cancelled job_id=%s code=%s %s", reported.job_id, exc.code, exc.message)
    return LookedBack(reported, report, cancelled)


def _write(runtime: Runtime, looked: Sequence[LookedBack]) -> None:
    there = [item for item in looked if isinstance(item.result, TaskReport)]
    notes = {item.reported.job_id: _note(item) for item in there}
    with runtime.database.begin() as conn:
        first = [item.reported for item in there if item.reported.gateway_task_id is None]
        attempts.store_outcomes(
            conn,
            [AttemptOutcome(r.job_id, r.number, Reason.ACCEPTED, gateway_task_id=r.task_id) for r in first],
        )
        second = [item.reported for item in there if item.reported.gateway_task_id not in (None, item.reported.task_id)]
        late.note_second_tasks(conn, second, notes)
        submitting = late.settle_acceptances(conn, [item.reported.job_id for item in there], notes)
        callbacks.looked(
            conn,
            [(i.reported, SUBMITTING_S if i.reported.job_id in submitting else _again_in_s(i)) for i in looked],
        )


def _again_in_s(item: LookedBack) -> float | None:
    """When to ask again, None where the question is answered."""
    if isinstance(item.result, TaskReport):
        return None
    age_s = item.reported.age_s
    log.warning("look_back.setback job_id=%s code=%s %s", item.reported.job_id, item.result.code, item.result.message)
    if age_s > OLD_S or (isinstance(item.result, TaskUnknown) and age_s > YOUNG_S):
        return None
    return min(max(FIRST_AGAIN_S, age_s / 20), LATEST_AGAIN_S)


def _note(item: LookedBack) -> str:
    if item.cancelled:
        return "it was cancelled before it began, so it is not billed"
    if isinstance(item.result, TaskReport) and item.result.status in _FREE_ENDS:
        return f"it ended as {item.result.status}, which is not billed"
    return "it is billed"
