"""Acceptances that arrive after their job has moved on: the job adopts the task, or it was paid for twice."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString
from uuid import UUID

from psycopg.rows import class_row

from storage.database import Connection
from storage.jobs.callbacks import Reported, look_again
from storage.jobs.reasons import Reason
from storage.jobs.records import Move
from storage.jobs.states import TERMINAL, JobState
from storage.jobs.transitions import move
from storage.jsonb import dumps
from storage.logs.context import about
from storage.logs.story import Story, stories_of

log = logging.getLogger("reelq.jobs")

Notes = Mapping[tuple[UUID, int], str]
"""By job and number of the attempt: what is known of its task, such as that it was cancelled in time."""

_WAITING = (JobState.QUEUED, JobState.UNCONFIRMED)


@dataclass(frozen=True, slots=True)
class _Accepted:
    """An accepted attempt that its job does not use."""

    job_id: UUID
    number: int
    account: str
    gateway: str | None
    model: str
    gateway_task_id: str
    state: str
    job_task_id: str | None


# Newest first: of several unused acceptances a job adopts the newest.
_UNUSED: LiteralString = """
SELECT a.job_id, a.number, a.account, a.gateway, a.model, a.gateway_task_id, j.state, j.gateway_task_id AS job_task_id
FROM jobs j JOIN attempts a ON a.job_id = j.id
WHERE j.id = ANY(%(ids)s) AND a.job_id = ANY(%(ids)s) AND a.outcome = 'accepted' AND NOT a.surplus
  AND (a.account, a.gateway_task_id) IS DISTINCT FROM (j.account, j.gateway_task_id)
ORDER BY j.id, a.number DESC
"""
_LOCK: LiteralString = "SELECT id FROM jobs WHERE id = ANY(%(ids)s) ORDER BY id FOR UPDATE"
_NOTE_SURPLUS: LiteralString = """
WITH input AS (
    SELECT * FROM jsonb_to_recordset(%(rows)s::jsonb) AS i(job_id uuid, number int, reason text, detail jsonb)
), noted AS (
    UPDATE attempts a SET surplus = true FROM input i
    WHERE a.job_id = ANY(ARRAY(SELECT job_id FROM input))
      AND a.job_id = i.job_id AND a.number = i.number AND NOT a.surplus
    RETURNING a.job_id, i.reason, i.detail
)
INSERT INTO job_events (job_id, source, target, reason, detail)
SELECT n.job_id, j.state, j.state, n.reason, n.detail FROM noted n JOIN jobs j ON j.id = n.job_id
"""


def settle_acceptances(conn: Connection, job_ids: Sequence[UUID], notes: Notes | None = None) -> set[UUID]:
    """Process stored acceptances of these jobs: a waiting job continues with its accepted attempt; an acceptance that
    its job does not use is noted as surplus, once.

    `notes` are added to the events of surplus tasks. Returns the jobs whose POST is in flight: they are left unchanged,
    because the outcome of that POST decides.
    """
    if not job_ids:
        return set()
    parameters = {"ids": list(job_ids)}
    conn.execute(_LOCK, parameters)
    with conn.cursor(row_factory=class_row(_Accepted)) as cursor:
        unused = cursor.execute(_UNUSED, parameters).fetchall()
    known = stories_of(conn, [item.job_id for item in unused])
    adopting: dict[UUID, _Accepted] = {}
    surplus: list[dict[str, Any]] = []
    submitting: set[UUID] = set()
    for item in unused:
        state, note = JobState(item.state), (notes or {}).get((item.job_id, item.number), "")
        if state in _WAITING and item.job_id not in adopting:
            adopting[item.job_id] = item
        elif state is JobState.SUBMITTING:
            submitting.add(item.job_id)
        elif state in TERMINAL and item.job_task_id is None:
            surplus.append(_given_up(item, note, known[item.job_id]))
        else:
            surplus.append(_double_charge(item, note, known[item.job_id]))
    move(conn, [_adopt(item) for item in adopting.values()])
    look_again(conn, list(adopting))
    if surplus:
        conn.execute(_NOTE_SURPLUS, {"rows": dumps(surplus)})
    return submitting


_NOTE_SECOND: LiteralString = """
INSERT INTO job_events (job_id, source, target, reason, detail)
SELECT i.job_id, j.state, j.state, i.reason, i.detail
FROM jsonb_to_recordset(%(rows)s::jsonb) AS i(job_id uuid, reason text, detail jsonb) JOIN jobs j ON j.id = i.job_id
"""


def note_second_tasks(conn: Connection, found: Sequence[Reported], notes: Notes) -> None:
    """Note second tasks of attempts that already have one: the gateway executed one POST twice."""
    if found:
        rows = [_double_charge(item, notes.get((item.job_id, item.number), ""), item.story) for item in found]
        conn.execute(_NOTE_SECOND, {"rows": dumps(rows)})


def _adopt(item: _Accepted) -> Move:
    patch = {
        "account": item.account,
        "gateway": item.gateway,
        "model": item.model,
        "gateway_task_id": item.gateway_task_id,
        "setbacks": 0,
        "refusals": 0,
    }
    detail = {"message": f"attempt {item.number} was accepted after all"}
    return Move(item.job_id, _WAITING, JobState.GENERATING, Reason.ACCEPTED_LATE, patch=patch, detail=detail)


def _double_charge(item: _Accepted | Reported, note: str, known: Story) -> dict[str, Any]:
    task_id = item.task_id if isinstance(item, Reported) else item.gateway_task_id
    log.error(
        "job.double_charge job_id=%s attempt=%d account=%s task_id=%s %s",
        item.job_id,
        item.number,
        item.account,
        task_id,
        note,
        extra=about(known),
    )
    message = f"attempt {item.number} was also accepted: task {task_id} at {item.account}"
    return _row(item, Reason.DOUBLE_CHARGE, task_id, message, note)


def _given_up(item: _Accepted, note: str, known: Story) -> dict[str, Any]:
    log.warning(
        "job.accepted_after_its_end job_id=%s attempt=%d account=%s task_id=%s %s",
        item.job_id,
        item.number,
        item.account,
        item.gateway_task_id,
        note,
        extra=about(known),
    )
    message = f"attempt {item.number} was accepted, but the job had already ended: task {item.gateway_task_id}"
    return _row(item, Reason.ACCEPTED_LATE, item.gateway_task_id, message, note)


def _row(item: _Accepted | Reported, reason: Reason, task_id: str, message: str, note: str) -> dict[str, Any]:
    detail = {"message": f"{message}; {note}" if note else message, "task_id": task_id}
    return {
        "job_id": item.job_id,
        "number": item.number,
        "reason": reason,
        "detail": detail | {"account": item.account, "attempt": item.number},
    }
