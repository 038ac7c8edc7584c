"""Remove uploaded files: those that a person deletes, and those that no job has needed for long.

A file is removed in two steps: its row is marked, so that no new job can name it, then a worker deletes the object and
the row. Each upload has an object of its own, so the same content that is uploaded again at the same time is safe.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import LiteralString
from uuid import UUID

from storage.database import Connection
from storage.uploads.records import UploadInUse

ON_ITS_WAY_S = 86_400.0
"""An upload that is not in the bucket after this time never will be."""

_NEEDED: LiteralString = """EXISTS (SELECT FROM upload_uses s JOIN jobs j ON j.id = s.job_id
                                    WHERE s.upload_id = u.id AND j.due_at IS NOT NULL)"""
_LOCK_ONE: LiteralString = """
SELECT reference FROM uploads WHERE id = %(id)s AND tenant = %(tenant)s AND removed_at IS NULL FOR UPDATE
"""
_MARK_ONE: LiteralString = f"UPDATE uploads u SET removed_at = now() WHERE id = %(id)s AND NOT {_NEEDED}"  # noqa: S608 - put together from constants
_NEEDED_LATELY: LiteralString = """EXISTS (
    SELECT FROM upload_uses s JOIN jobs j ON j.id = s.job_id WHERE s.upload_id = u.id
      AND (j.due_at IS NOT NULL OR j.finished_at > now() - make_interval(secs => %(age_s)s)))"""
_LOCK_OLD: LiteralString = f"""
SELECT u.id FROM uploads u
WHERE u.removed_at IS NULL AND (u.touched_at < now() - make_interval(secs => %(age_s)s)
       OR (u.stored_at IS NULL AND u.touched_at < now() - make_interval(secs => %(way_s)s)))
  AND NOT {_NEEDED_LATELY}
ORDER BY u.touched_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
"""  # noqa: S608 - as above
# A statement of its own: it sees the jobs that were committed before the locks were taken.
_MARK_OLD: LiteralString = f"""
UPDATE uploads u SET removed_at = now() WHERE u.id = ANY(%(ids)s) AND NOT {_NEEDED_LATELY}
"""  # noqa: S608 - as above
# The object of an older release belongs to every tenant that has a row for it.
_REMOVED: LiteralString = """
SELECT u.id, u.reference, u.object_key, u.object_key IS NULL AND EXISTS (
    SELECT FROM uploads o WHERE o.reference = u.reference AND o.object_key IS NULL AND o.removed_at IS NULL)
FROM uploads u WHERE u.removed_at IS NOT NULL ORDER BY u.removed_at LIMIT %(limit)s
"""
_FORGET: LiteralString = "DELETE FROM uploads WHERE id = ANY(%(ids)s) AND removed_at IS NOT NULL"


@dataclass(frozen=True, slots=True)
class Removed:
    """A file whose object must go, unless it `is_shared` with other tenants."""

    id: UUID
    reference: str
    object_key: str | None
    is_shared: bool


def remove_upload(conn: Connection, tenant: str, upload_id: UUID) -> str | None:
    """Remove a tenant's file; returns its reference, None: there is none with this id.

    Raises:
        UploadInUse: a job that has not ended needs it.
    """
    row = conn.execute(_LOCK_ONE, {"id": upload_id, "tenant": tenant}).fetchone()
    if row is None:
        return None
    if not conn.execute(_MARK_ONE, {"id": upload_id}).rowcount:
        raise UploadInUse(row[0])
    return str(row[0])


def expire_uploads(conn: Connection, age_s: float, limit: int) -> int:
    """Remove up to `limit` files that were uploaded more than `age_s` seconds ago and that no job needs, or has needed
    since; returns how many."""
    parameters = {"age_s": age_s, "way_s": ON_ITS_WAY_S, "limit": limit}
    ids = [row[0] for row in conn.execute(_LOCK_OLD, parameters)]
    return conn.execute(_MARK_OLD, {"ids": ids, "age_s": age_s}).rowcount if ids else 0


def removed_uploads(conn: Connection, limit: int) -> list[Removed]:
    """Removed files whose objects are still in the bucket, the oldest first."""
    return [Removed(*row) for row in conn.execute(_REMOVED, {"limit": limit}).fetchall()]


def forget_uploads(conn: Connection, ids: list[UUID]) -> None:
    """Delete the rows of files whose objects are gone."""
    conn.execute(_FORGET, {"ids": ids})
