"""Batches of OpenAI's Batch API. A batch is a row with a state and a due time, like a job: the holder of its lease does
the next step, and a step that is lost is done again.

The steps: check the file; store one part of its requests as jobs; look whether all jobs have ended. Each is idempotent:
a job's key is derived from the batch and the request's `custom_id`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

import uuid_utils.compat
from psycopg.rows import class_row

from storage.database import Connection
from storage.jsonb import dumps

LEASE_S = 60.0
KEPT_DAYS = 30
LOOK_S = 5.0
"""How often to look whether all jobs of a batch have ended."""
LOOKED_AT_A_SECOND = 1_000
"""Requests of a batch that are looked at in the long run: a large one is looked at more rarely."""
FEW = 100
"""Requests of a batch that are counted whenever it is shown; those of a larger one were counted at the last look."""


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch. `next_part` None: every request is stored. `completed`, `failed`: how many requests ended so; of a large
    batch that has not ended, at the last look."""

    id: UUID
    tenant: str
    actor: str | None
    file_id: UUID
    lines: int
    """Requests; 0 until the file was checked."""
    window_s: int
    metadata: dict[str, Any] | None
    state: str
    errors: list[dict[str, Any]] | None
    next_part: int | None
    created_at: datetime
    in_progress_at: datetime | None
    cancelling_at: datetime | None
    ended_at: datetime | None
    expires_at: datetime
    expired: bool
    stored: int
    completed: int
    failed: int


@dataclass(frozen=True, slots=True)
class Line:
    """A request that was stored: its job, or why there is none."""

    line: int
    custom_id: str
    job_id: UUID | None
    error: dict[str, Any] | None = None


# What is kept is right once the batch has ended, whatever retention deletes then. `exact`: count in any case. Each job
# by its id: PostgreSQL may join all jobs, for each batch.
_VIEW: LiteralString = """
SELECT b.id, b.tenant, b.actor, b.file_id, b.lines, b.window_s, b.metadata, b.state, b.errors, b.next_part,
       b.created_at, b.in_progress_at, b.cancelling_at, b.ended_at, b.expires_at, b.expires_at <= now() AS expired,
       CASE WHEN k.kept THEN b.stored ELSE c.stored END AS stored,
       CASE WHEN k.kept THEN b.completed ELSE c.completed END AS completed,
       CASE WHEN k.kept THEN b.failed ELSE c.failed END AS failed
FROM batches b CROSS JOIN LATERAL (
    SELECT NOT %(exact)s AND b.counted_at IS NOT NULL
           AND CASE WHEN b.ended_at IS NULL THEN b.lines > %(few)s ELSE b.counted_at >= b.ended_at END AS kept) k
CROSS JOIN LATERAL (
    SELECT count(*) AS stored, count(*) FILTER (WHERE j.state = 'succeeded') AS completed,
           count(*) FILTER (WHERE l.error IS NOT NULL OR j.state IN ('failed', 'cancelled')
                            OR (j.id IS NULL AND l.error IS NULL)) AS failed
    FROM batch_lines l LEFT JOIN LATERAL (SELECT id, state FROM jobs WHERE id = l.job_id OFFSET 0) j ON true
    WHERE l.batch_id = b.id AND NOT k.kept) c
"""
_GET: LiteralString = f"{_VIEW} WHERE b.id = %(id)s AND (%(tenant)s::text IS NULL OR b.tenant = %(tenant)s)"
_LIST: LiteralString = f"""{_VIEW}
WHERE b.tenant = %(tenant)s AND (%(after)s::uuid IS NULL OR b.id < %(after)s) ORDER BY b.id DESC LIMIT %(limit)s
"""
_CLAIM: LiteralString = """
WITH due AS (
    SELECT id FROM batches WHERE due_at <= now() ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED
)
UPDATE batches b SET due_at = now() + make_interval(secs => %(lease_s)s) FROM due WHERE b.id = due.id RETURNING b.id
"""
_CHECKED: LiteralString = """
UPDATE batches SET state = 'in_progress', in_progress_at = now(), due_at = now(), lines = %(lines)s WHERE id = %(id)s
  AND state = 'validating'
"""
_FAILED: LiteralString = """
UPDATE batches SET state = 'failed', errors = %(errors)s::jsonb, ended_at = now(), due_at = NULL WHERE id = %(id)s
  AND state = 'validating'
"""
_LINES: LiteralString = """
INSERT INTO batch_lines (batch_id, line, custom_id, job_id, error)
SELECT %(id)s, r.line, r.custom_id, r.job_id, nullif(r.error, 'null'::jsonb)
FROM jsonb_to_recordset(%(lines)s::jsonb) AS r(line int, custom_id text, job_id uuid, error jsonb)
ON CONFLICT (batch_id, line) DO NOTHING
"""
_PART_DONE: LiteralString = """
UPDATE batches SET next_part = %(next)s, due_at = now() + make_interval(secs => %(wait_s)s)
WHERE id = %(id)s AND next_part = %(part)s AND due_at IS NOT NULL
"""
_HOLD: LiteralString = """
SELECT 1 FROM batches WHERE id = %(id)s AND next_part = %(part)s AND due_at IS NOT NULL
  AND state = 'in_progress' AND expires_at > now() FOR SHARE
"""
_TAKE: LiteralString = "SELECT 1 FROM batches WHERE id = %(id)s AND next_part = %(part)s FOR UPDATE"
_OF_KEYS: LiteralString = """
SELECT idempotency_key, id FROM jobs WHERE tenant = %(tenant)s AND idempotency_key = ANY(%(keys)s)
"""
_CANCEL: LiteralString = """
UPDATE batches SET state = 'cancelling', cancelling_at = coalesce(cancelling_at, now()), due_at = now()
WHERE id = %(id)s AND state IN ('validating', 'in_progress')
"""
_END: LiteralString = """
UPDATE batches SET state = %(state)s, ended_at = now(), due_at = NULL
WHERE id = %(id)s AND due_at IS NOT NULL
"""
_KEEP_COUNTS: LiteralString = """
UPDATE batches SET stored = %(stored)s, completed = %(completed)s, failed = %(failed)s, counted_at = now()
WHERE id = %(id)s
"""
# Another program ended them. Their jobs do not change any more.
_UNCOUNTED: LiteralString = """
SELECT id FROM batches WHERE ended_at IS NOT NULL AND (counted_at IS NULL OR counted_at < ended_at)
LIMIT 1 FOR UPDATE SKIP LOCKED
"""
_SWEEP: LiteralString = """
DELETE FROM batches WHERE id IN (
    SELECT id FROM batches WHERE ended_at < now() - make_interval(days => %(days)s) LIMIT 5 FOR UPDATE SKIP LOCKED)
"""
_QUEUED: LiteralString = """
SELECT j.id FROM batch_lines l JOIN jobs j ON j.id = l.job_id
WHERE l.batch_id = %(id)s AND j.state = 'queued' ORDER BY j.id LIMIT %(limit)s
"""
_RESULTS: LiteralString = """
SELECT line, custom_id, job_id, error FROM batch_lines WHERE batch_id = %(id)s AND line > %(after)s
ORDER BY line LIMIT %(limit)s
"""


def add_batch(
    conn: Connection,
    tenant: str,
    actor: str | None,
    file_id: UUID,
    window_s: int,
    metadata: Mapping[str, Any] | None,
) -> Batch:
    """Store a batch; its first step is due at once. Those that ended long ago are removed."""
    conn.execute(_SWEEP, {"days": KEPT_DAYS})
    batch_id = uuid_utils.compat.uuid7()
    conn.execute(
        """INSERT INTO batches (id, tenant, actor, file_id, lines, window_s, metadata, expires_at)
           VALUES (%s, %s, %s, %s, 0, %s, %s::jsonb, now() + make_interval(secs => %s))""",
        [
            batch_id,
            tenant,
            actor,
            file_id,
            window_s,
            None if metadata is None else dumps(metadata),
            float(window_s),
        ],
    )
    found = get_batch(conn, tenant, batch_id)
    assert found is not None  # noqa: S101 - it was stored just now
    return found


def get_batch(conn: Connection, tenant: str | None, batch_id: UUID, *, exact: bool = False) -> Batch | None:
    """The batch with this id, of a tenant or (None) of any; None: there is none. `exact`: its requests are counted
    now."""
    with conn.cursor(row_factory=class_row(Batch)) as cursor:
        return cursor.execute(_GET, {"id": batch_id, "tenant": tenant, "exact": exact, "few": FEW}).fetchone()


def list_batches(conn: Connection, tenant: str, *, after: UUID | None = None, limit: int = 20) -> list[Batch]:
    """A tenant's batches, newest first; `after`: the last one of the previous page."""
    with conn.cursor(row_factory=class_row(Batch)) as cursor:
        values = {"tenant": tenant, "after": after, "limit": limit, "exact": False, "few": FEW}
        return cursor.execute(_LIST, values).fetchall()


def claim_batch(conn: Connection) -> UUID | None:
    """Lease the batch that has been due longest; None: none is due."""
    row = conn.execute(_CLAIM, {"lease_s": LEASE_S}).fetchone()
    return None if row is None else row[0]


def note_checked(conn: Connection, batch_id: UUID, lines: int, errors: Sequence[Mapping[str, Any]]) -> None:
    """Note that the file was checked: the batch goes on with its requests (`lines`), or fails with these errors."""
    if errors:
        conn.execute(_FAILED, {"id": batch_id, "errors": dumps(errors)})
    else:
        conn.execute(_CHECKED, {"id": batch_id, "lines": lines})


def note_part(conn: Connection, batch_id: UUID, part: int, lines: Sequence[Line], *, last: bool) -> None:
    """Note the results of a part; noting them again changes nothing."""
    conn.execute(_LINES, {"id": batch_id, "lines": dumps(lines)})
    after = {"next": None if last else part + 1, "wait_s": LOOK_S if last else 0.0}
    conn.execute(_PART_DONE, {"id": batch_id, "part": part, **after})


def hold_part(conn: Connection, batch_id: UUID, part: int) -> bool:
    """Whether the requests of a part may still become jobs. If so, no other transaction leaves them out before this one
    ends."""
    return conn.execute(_HOLD, {"id": batch_id, "part": part}).fetchone() is not None


def take_part(conn: Connection, batch_id: UUID, part: int) -> bool:
    """Wait for those that hold a part; False: it was noted before."""
    return conn.execute(_TAKE, {"id": batch_id, "part": part}).fetchone() is not None


def jobs_of_keys(conn: Connection, tenant: str, keys: Sequence[str]) -> dict[str, UUID]:
    """The jobs of a tenant with these idempotency keys; those that are not stored are missing."""
    rows = conn.execute(_OF_KEYS, {"tenant": tenant, "keys": list(keys)}).fetchall()
    return {row[0]: row[1] for row in rows}


def postpone(conn: Connection, batch_id: UUID, wait_s: float) -> None:
    """Do the next step later."""
    conn.execute(
        "UPDATE batches SET due_at = now() + make_interval(secs => %s) WHERE id = %s AND due_at IS NOT NULL",
        [wait_s, batch_id],
    )


def cancel_batch(conn: Connection, batch_id: UUID) -> bool:
    """Request that a batch be cancelled; False: it has ended, or that was requested before."""
    return conn.execute(_CANCEL, {"id": batch_id}).rowcount == 1


def look_s(batch: Batch) -> float:
    """How long to wait before the next look at whether its jobs have ended."""
    return max(LOOK_S, batch.lines / LOOKED_AT_A_SECOND)


def end_batch(conn: Connection, batch: Batch, state: str) -> None:
    """End a batch as completed, expired or cancelled; all its requests have ended, as it was read."""
    conn.execute(_END, {"id": batch.id, "state": state})
    keep_counts(conn, batch)


def keep_counts(conn: Connection, batch: Batch) -> None:
    """Keep how many of its requests ended how, as it was read, for those who look at it."""
    counts = {"stored": batch.stored, "completed": batch.completed, "failed": batch.failed}
    conn.execute(_KEEP_COUNTS, {"id": batch.id, **counts})


def count_ended(conn: Connection) -> bool:
    """Count the requests of a batch that has ended and whose counts are not kept; False: there is none."""
    row = conn.execute(_UNCOUNTED).fetchone()
    batch = None if row is None else get_batch(conn, None, row[0], exact=True)
    if batch is None:
        return False
    keep_counts(conn, batch)
    return True


def queued_jobs(conn: Connection, batch_id: UUID, limit: int) -> list[UUID]:
    """Jobs of a batch that are free to cancel."""
    return [row[0] for row in conn.execute(_QUEUED, {"id": batch_id, "limit": limit})]


def results_of(conn: Connection, batch_id: UUID, after: int, limit: int) -> list[Line]:
    """Stored requests of a batch in the order of its file; `after`: the last line of the previous page."""
    with conn.cursor(row_factory=class_row(Line)) as cursor:
        return cursor.execute(_RESULTS, {"id": batch_id, "after": after, "limit": limit}).fetchall()
