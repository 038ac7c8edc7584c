"""Look back: query tasks that were reported for attempts whose jobs no longer wait for them.

A job was submitted again, given up or has ended, and then a callback or a list shows that an earlier attempt was
accepted. If the job still waits, it adopts that task. Otherwise the task is reported as paid for in vain, and cancelled
if it has not begun and the gateway can cancel.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from seedance.client import GatewayClient
from seedance.errors import GatewayError, TaskUnknown, Unavailable
from seedance.gateways.base import CancelOutcome, TaskReport, TaskStatus
from storage.jobs import attempts, callbacks, late
from storage.jobs.callbacks import Reported
from storage.jobs.reasons import Reason
from storage.jobs.records import AttemptOutcome
from storage.journal import rows
from storage.logs.context import about, bind
from worker.batch import run_batch
from worker.clients import clients_of
from worker.journal import Journal
from worker.runtime import Runtime

log = logging.getLogger("reelq.look_back")

ACCOUNT_MISSING_S = 600.0
SUBMITTING_S = 5.0
"""Delay until a job whose next POST is in flight is checked again."""
FIRST_AGAIN_S, LATEST_AGAIN_S = 10.0, 1800.0
YOUNG_S = 600.0
"""Until this age a task may be unknown to some parts of its gateway."""
OLD_S = 8 * 86_400.0
"""No gateway keeps its tasks longer than this."""
_FREE_ENDS = frozenset({TaskStatus.FAILED, TaskStatus.CANCELLED, TaskStatus.EXPIRED})


@dataclass(frozen=True, slots=True)
class LookedBack:
    """The gateway's answer about one reported task, and whether it was cancelled because its job does not need it."""

    reported: Reported
    result: TaskReport | GatewayError
    cancelled: bool = False


def look_back_batch(runtime: Runtime, account: str, claimed: Sequence[tuple[UUID, int]]) -> None:
    """Query the reported tasks of a claimed batch of attempts (job, number)."""
    with runtime.database.begin() as conn:
        found = clients_of(runtime, conn, account, callbacks.reported(conn, claimed))
        for client, items in found:
            if client is None:
                log.error("look_back.account_missing account=%s: add the account again", account)
                callbacks.looked(conn, [(item, ACCOUNT_MISSING_S) for item in items])
    for client, items in found:
        if client is not None:
            run_batch(runtime, items, partial(_look, client), lambda batch: _write(runtime, batch))


async def _look(client: GatewayClient, reported: Reported) -> LookedBack:
    bind(**reported.story)
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
    confirmed = [item for item in looked if isinstance(item.result, TaskReport)]
    notes = {(item.reported.job_id, item.reported.task_id): _note(item) for item in confirmed}
    with runtime.database.begin() as conn:
        first = [item.reported for item in confirmed if item.reported.gateway_task_id is None]
        attempts.store_outcomes(
            conn,
            [AttemptOutcome(r.job_id, r.number, Reason.ACCEPTED, gateway_task_id=r.task_id) for r in first],
        )
        second = [i.reported for i in confirmed if i.reported.gateway_task_id not in (None, i.reported.task_id)]
        late.note_second_tasks(conn, second, notes)
        submitting = late.settle_acceptances(conn, [item.reported.job_id for item in confirmed], notes)
        callbacks.looked(
            conn,
            [(i.reported, SUBMITTING_S if i.reported.job_id in submitting else _again_in_s(i)) for i in looked],
        )
        lineage, answered = rows.answered(conn, [(item.job_id, item.number) for item in first])
    if lineage is not None:
        runtime.part(Journal).note(lineage, answered)


def _again_in_s(item: LookedBack) -> float | None:
    """Seconds until the next query; None: no further query is needed."""
    if isinstance(item.result, TaskReport):
        return None
    age_s = item.reported.age_s
    said = (item.reported.job_id, item.result.code, item.result.message)
    log.warning("look_back.setback job_id=%s code=%s %s", *said, extra=about(item.reported.story))
    if age_s > OLD_S or (isinstance(item.result, TaskUnknown) and age_s > YOUNG_S):
        return None
    return min(max(FIRST_AGAIN_S, age_s / 20), LATEST_AGAIN_S)


def _note(item: LookedBack) -> str:
    if item.cancelled:
        return "it was cancelled before it began, so it is not billed"
    if isinstance(item.result, TaskReport) and item.result.status in _FREE_ENDS:
        return f"it ended as {item.result.status}, which is not billed"
    return "it is billed"
