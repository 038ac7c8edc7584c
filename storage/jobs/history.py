"""The history of jobs: attempts and events, in order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, LiteralString
from uuid import UUID

from psycopg.rows import dict_row

from storage.database import Connection

# By name: a prepared `SELECT *` fails once a migration has added a column, while this program still runs.
_ATTEMPTS: LiteralString = """
SELECT job_id, number, account, model, started_at, finished_at, outcome, seed, callback_hash, reported_task_id,
       http_status, gateway_task_id, error, model_key, gateway, mark, look_at, surplus, candidates, key_id
FROM attempts WHERE job_id = %(id)s ORDER BY number
"""


def attempts_of(conn: Connection, job_id: UUID) -> list[dict[str, Any]]:
    """Every attempt (POST) of a job, in order."""
    return _dicts(conn, _ATTEMPTS, job_id)


def events_of(conn: Connection, job_id: UUID) -> list[dict[str, Any]]:
    """A job's timeline, in order."""
    return _dicts(
        conn,
        "SELECT id, at, source, target, reason, detail, actor FROM job_events WHERE job_id = %(id)s ORDER BY id",
        job_id,
    )


def celery_tasks_of(conn: Connection, job_id: UUID) -> dict[int, UUID]:
    """The Celery tasks that wrote a job's events, by the number of the event; those that no task wrote are missing."""
    sql: LiteralString = "SELECT id, celery_task FROM job_events WHERE job_id = %(id)s AND celery_task IS NOT NULL"
    return dict(conn.execute(sql, {"id": job_id}).fetchall())


_DECISIONS: LiteralString = """
SELECT job_id, at, reason, actor FROM job_events
WHERE job_id = ANY(%(ids)s) AND actor IS NOT NULL ORDER BY job_id, id
"""


def decisions_of(conn: Connection, job_ids: Sequence[UUID]) -> dict[UUID, list[dict[str, Any]]]:
    """What people and programs decided about jobs, in order: when, what and who. Jobs without any are missing."""
    found: dict[UUID, list[dict[str, Any]]] = {}
    for job_id, at, reason, actor in conn.execute(_DECISIONS, {"ids": list(job_ids)}):
        found.setdefault(job_id, []).append({"at": at, "reason": reason, "actor": actor})
    return found


def _dicts(conn: Connection, sql: LiteralString, job_id: UUID) -> list[dict[str, Any]]:
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(sql, {"id": job_id}).fetchall()


def transaction_barrier(conn: Connection) -> int:
    """A transaction number above that of every transaction that has written so far."""
    row = conn.execute("SELECT pg_current_xact_id()::text::bigint").fetchone()
    return 0 if row is None else int(row[0])


def last_event(conn: Connection) -> int:
    """The highest event number; 0: no event."""
    row = conn.execute("SELECT coalesce(max(id), 0) FROM job_events").fetchone()
    return 0 if row is None else int(row[0])


def job_events_after(conn: Connection, job_id: UUID, after: int, limit: int) -> list[dict[str, Any]]:
    """Events of one job with numbers above `after`, in order. Moves lock the row: no smaller number appears later."""
    sql: LiteralString = """SELECT id, job_id, at, source, target, reason, detail, actor FROM job_events
                            WHERE job_id = %(id)s AND id > %(after)s ORDER BY id LIMIT %(limit)s"""
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(sql, {"id": job_id, "after": after, "limit": limit}).fetchall()
