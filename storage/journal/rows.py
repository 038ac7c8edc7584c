"""Entries of the journal, read from the rows that they describe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, LiteralString
from uuid import UUID

from psycopg.rows import TupleRow

from storage.database import Connection
from storage.journal.entries import Answered, Kept, Sent

# The columns after the lineage are the fields of the entry, in their order.
_SENT: LiteralString = """
SELECT l.lineage, a.job_id, a.number, a.started_at, a.account, a.model, a.model_key, j.tenant, j.created_at,
       a.gateway, a.key_id, a.seed, a.mark, a.callback_hash, j.idempotency_key
FROM unnest(%(ids)s::uuid[], %(numbers)s::int[]) AS i(id, number)
JOIN attempts a ON a.job_id = i.id AND a.number = i.number JOIN jobs j ON j.id = a.job_id CROSS JOIN journal l
WHERE a.job_id = ANY(%(ids)s)
"""
KEPT_COLUMNS = (
    *("account", "gateway", "model", "gateway_task_id", "object_key", "size_bytes", "sha256", "video_format"),
    *("poster_key", "last_frame_key", "usage", "seed", "cost"),
)
_KEPT: LiteralString = f"""
SELECT l.lineage, j.id, j.tenant, now(), j.idempotency_key,
       {", ".join(f"j.{name}" for name in KEPT_COLUMNS)}
FROM jobs j CROSS JOIN journal l WHERE j.id = ANY(%(ids)s)
"""  # noqa: S608 - put together from constants
_ANSWERED: LiteralString = """
SELECT l.lineage, a.job_id, a.number, a.started_at, a.outcome, a.http_status, a.gateway_task_id
FROM unnest(%(ids)s::uuid[], %(numbers)s::int[]) AS i(id, number)
JOIN attempts a ON a.job_id = i.id AND a.number = i.number CROSS JOIN journal l
WHERE a.outcome IS NOT NULL AND a.job_id = ANY(%(ids)s)
"""
_MISSING: LiteralString = """
SELECT l.lineage, i.place FROM journal l CROSS JOIN (
    SELECT * FROM unnest(%(ids)s::uuid[], %(numbers)s::int[], %(started)s::timestamptz[]) WITH ORDINALITY
        AS n(id, number, started_at, place)) i
WHERE NOT EXISTS (
    SELECT FROM attempts a WHERE a.job_id = i.id AND a.number = i.number AND a.started_at = i.started_at)
"""


def sent(conn: Connection, begun: Sequence[tuple[UUID, int]]) -> tuple[UUID | None, list[Sent]]:
    """The entries of attempts (job, number) that were just begun, and the lineage; None: there are no entries."""
    lineage, rows = _read(conn, _SENT, _numbered(begun))
    return lineage, [Sent(*row[1:]) for row in rows]


def answered(conn: Connection, finished: Sequence[tuple[UUID, int]]) -> tuple[UUID | None, list[Answered]]:
    """The entries of attempts (job, number) whose outcome was just stored, as it was stored, and the lineage; None:
    there are no entries."""
    lineage, rows = _read(conn, _ANSWERED, _numbered(finished))
    return lineage, [Answered(*row[1:]) for row in rows]


def answered_without_row(conn: Connection, answers: Sequence[Answered]) -> tuple[UUID | None, list[Answered]]:
    """The lineage, and those answers whose attempt this database does not have: it was restored, or a replica that had
    not got it became the primary, between the POST and its answer."""
    parameters = {
        "ids": [answer.job_id for answer in answers],
        "numbers": [answer.number for answer in answers],
        "started": [answer.started_at for answer in answers],
    }
    rows = conn.execute(_MISSING, parameters).fetchall() if answers else []
    return (rows[0][0] if rows else None), [answers[place - 1] for _, place in rows]


def kept(conn: Connection, job_ids: Sequence[UUID]) -> tuple[UUID | None, list[Kept]]:
    """The entries of jobs whose videos were just stored, and the lineage; None: there are no entries."""
    lineage, rows = _read(conn, _KEPT, {"ids": list(job_ids)})
    return lineage, [_kept(row) for row in rows]


def _kept(row: TupleRow) -> Kept:
    _, job_id, tenant, stored_at, idempotency_key, *values = row
    columns = {name: value for name, value in zip(KEPT_COLUMNS, values, strict=True) if value is not None}
    return Kept(job_id, tenant, stored_at, columns, idempotency_key)


def _numbered(attempts: Sequence[tuple[UUID, int]]) -> dict[str, list[Any]]:
    return {"ids": [job_id for job_id, _ in attempts], "numbers": [number for _, number in attempts]}


def _read(conn: Connection, sql: LiteralString, parameters: dict[str, list[Any]]) -> tuple[UUID | None, list[TupleRow]]:
    """The lineage, which all rows begin with, and the rows. Asks nothing where nothing is asked for."""
    rows = conn.execute(sql, parameters).fetchall() if parameters["ids"] else []
    return (rows[0][0] if rows else None), rows
