"""Jobs whose files must not be in the bucket: those that were cancelled, and those that were deleted.

A copy may be running when its job is cancelled. Its upload may end later, in a worker that is killed before it can
check. So the files are removed again some time later, and a last time when no copy of the job can still run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from psycopg.rows import class_row

from storage.database import Connection

LEASE_S = 300.0


@dataclass(frozen=True, slots=True)
class Unwanted:
    """A job without files. `object_key` None: according to the row, no file was ever stored."""

    id: UUID
    tenant: str
    created_at: datetime
    object_key: str | None


_UNWANTED: LiteralString = """
SELECT id, tenant, created_at, object_key FROM jobs
WHERE id = ANY(%(ids)s) AND (deleted_at IS NOT NULL OR state = 'cancelled')
"""
_CLAIM: LiteralString = """
WITH due AS (
    SELECT id FROM jobs WHERE removal_due_at <= now() ORDER BY removal_due_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
UPDATE jobs j SET removal_due_at = now() + make_interval(secs => %(lease_s)s)
FROM due WHERE j.id = due.id RETURNING j.id, j.tenant, j.created_at, j.object_key
"""
# The last removal is later than the end of any copy that began before its job ended.
_REMOVED: LiteralString = """
UPDATE jobs SET removal_due_at = CASE
    WHEN coalesce(deleted_at, finished_at) > now() - interval '5 minutes' THEN now() + interval '10 minutes'
    WHEN coalesce(deleted_at, finished_at) > now() - interval '2 hours' THEN now() + interval '2 hours' END
WHERE id = ANY(%(ids)s)
"""


def unwanted(conn: Connection, ids: Sequence[UUID]) -> list[Unwanted]:
    """Those of these jobs that were cancelled or deleted."""
    with conn.cursor(row_factory=class_row(Unwanted)) as cursor:
        return cursor.execute(_UNWANTED, {"ids": list(ids)}).fetchall()


def claim_removals(conn: Connection, limit: int) -> list[Unwanted]:
    """Lease jobs whose files must be removed now."""
    with conn.cursor(row_factory=class_row(Unwanted)) as cursor:
        return cursor.execute(_CLAIM, {"limit": limit, "lease_s": LEASE_S}).fetchall()


def note_removed(conn: Connection, ids: Sequence[UUID]) -> None:
    """Note that the files of these jobs were removed just now."""
    if ids:
        conn.execute(_REMOVED, {"ids": list(ids)})


def is_removal_due(conn: Connection, job_id: UUID) -> bool:
    """Whether a removal of the job's files is due."""
    row = conn.execute("SELECT removal_due_at <= now() FROM jobs WHERE id = %s", [job_id]).fetchone()
    return row is not None and bool(row[0])
