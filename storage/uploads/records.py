"""The files that tenants have uploaded: stored once for each tenant and content, never shared between tenants."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

import orjson
from psycopg.rows import class_row

from storage.database import Connection

LOOKED_AT = 12
"""How many of the jobs that need a file are looked at to show it."""


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """How much a tenant may keep."""

    files: int
    size_bytes: int


class UploadsFull(Exception):
    """A tenant has as many files, or bytes of files, as it may. `what` says which, and how many."""

    def __init__(self, tenant: str, what: str) -> None:
        super().__init__(tenant, what)
        self.tenant = tenant
        self.what = what

    def __str__(self) -> str:
        advice = "delete files that no job needs any more, or wait until they expire"
        return f"tenant {self.tenant} may keep {self.what}; {advice}"


class UploadInUse(Exception):
    """A file cannot be deleted, because a job that has not ended needs it."""

    def __init__(self, reference: str) -> None:
        super().__init__(reference)
        self.reference = reference

    def __str__(self) -> str:
        return f"a job that has not ended needs {self.reference}"


@dataclass(frozen=True, slots=True)
class NewUpload:
    """A file on its way to the bucket."""

    id: UUID
    reference: str
    object_key: str
    size_bytes: int
    name: str
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a file is, or goes. `object_key` None: under the key that older releases shared between tenants."""

    id: UUID
    reference: str
    object_key: str | None
    is_stored: bool


@dataclass(frozen=True, slots=True)
class UploadView:
    """A tenant's file, for people. `in_use`: a job that has not ended needs it; `last_used_at`: when the last job that
    needed it ended, None: none has; both of the newest `LOOKED_AT` jobs."""

    id: UUID
    reference: str
    size_bytes: int
    name: str | None
    facts: dict[str, Any] | None
    created_at: datetime
    touched_at: datetime
    in_use: bool
    last_used_at: datetime | None


# Uploads of one tenant count one after the other, so that two cannot both take the rest.
_LOCK: LiteralString = "SELECT pg_advisory_xact_lock(hashtextextended('uploads of ' || %(tenant)s, 0))"
_TOUCH: LiteralString = """
WITH known AS MATERIALIZED (
    SELECT id FROM uploads WHERE tenant = %(tenant)s AND reference = ANY(%(references)s) AND removed_at IS NULL
    ORDER BY id FOR NO KEY UPDATE
)
UPDATE uploads u SET touched_at = now() FROM known k WHERE u.id = k.id
RETURNING u.id, u.reference, u.object_key, u.stored_at IS NOT NULL AS is_stored
"""
_TOTALS: LiteralString = """
SELECT count(*), coalesce(sum(size_bytes), 0)::bigint FROM uploads WHERE tenant = %(tenant)s AND removed_at IS NULL
"""
_ADD: LiteralString = """
INSERT INTO uploads (id, tenant, reference, object_key, size_bytes, name, facts)
SELECT id, %(tenant)s, reference, object_key, size_bytes, name, facts
FROM jsonb_to_recordset(%(new)s::jsonb) AS r(id uuid, reference text, object_key text, size_bytes bigint, name text,
                                             facts jsonb)
RETURNING id, reference, object_key, false AS is_stored
"""
_FINISH: LiteralString = "UPDATE uploads SET stored_at = coalesce(stored_at, now()) WHERE id = %(id)s"
_KNOWN: LiteralString = """
SELECT reference FROM uploads
WHERE tenant = %(tenant)s AND reference = ANY(%(references)s) AND removed_at IS NULL AND stored_at IS NOT NULL
"""


def place_uploads(conn: Connection, tenant: str, new: Sequence[NewUpload], limits: UploadLimits) -> list[Placed]:
    """A place for each file of a tenant: its own where it has the content already, else a new one.

    Raises:
        UploadsFull: the tenant would have too many.
    """
    conn.execute(_LOCK, {"tenant": tenant})
    by_reference = {item.reference: item for item in new}
    with conn.cursor(row_factory=class_row(Placed)) as cursor:
        found = cursor.execute(_TOUCH, {"tenant": tenant, "references": list(by_reference)}).fetchall()
        for known in found:
            del by_reference[known.reference]
        if not by_reference:
            return found
        _check_room(conn, tenant, list(by_reference.values()), limits)
        added = orjson.dumps(list(by_reference.values())).decode().replace(r"\u0000", "")
        return found + cursor.execute(_ADD, {"tenant": tenant, "new": added}).fetchall()


def _check_room(conn: Connection, tenant: str, new: Sequence[NewUpload], limits: UploadLimits) -> None:
    row = conn.execute(_TOTALS, {"tenant": tenant}).fetchone()
    files, size = (0, 0) if row is None else row
    if files + len(new) > limits.files:
        raise UploadsFull(tenant, f"{limits.files:,} files, and has {files:,}")
    if size + sum(item.size_bytes for item in new) > limits.size_bytes:
        raise UploadsFull(tenant, f"{limits.size_bytes / 1e9:,.1f} GB of files, and has {size / 1e9:,.1f} GB")


def finish_upload(conn: Connection, upload_id: UUID) -> None:
    """A file is in the bucket: jobs may name it."""
    conn.execute(_FINISH, {"id": upload_id})


def unknown_uploads(conn: Connection, tenant: str, references: Iterable[str]) -> set[str]:
    """Those of the references that the tenant has not uploaded, whatever other tenants have."""
    wanted = set(references)
    rows = conn.execute(_KNOWN, {"tenant": tenant, "references": list(wanted)}).fetchall()
    return wanted - {row[0] for row in rows}


# A file may be used by every job of a large campaign, so only the newest of them are looked at: those that end last.
_VIEW: LiteralString = f"""
SELECT u.id, u.reference, u.size_bytes, u.name, u.facts, u.created_at, u.touched_at, s.in_use, s.last_used_at
FROM (
    SELECT * FROM uploads WHERE tenant = %(tenant)s AND removed_at IS NULL AND stored_at IS NOT NULL
      AND (%(before)s::uuid IS NULL OR id < %(before)s::uuid)
      AND (%(id)s::uuid IS NULL OR id = %(id)s::uuid)
      AND (%(reference)s::text IS NULL OR reference = %(reference)s::text)
    ORDER BY id DESC LIMIT %(limit)s
) u CROSS JOIN LATERAL (
    SELECT coalesce(bool_or(j.due_at IS NOT NULL), false) AS in_use, max(j.finished_at) AS last_used_at
    FROM (SELECT job_id FROM upload_uses WHERE upload_id = u.id ORDER BY job_id DESC LIMIT {LOOKED_AT}) n
    CROSS JOIN LATERAL (SELECT due_at, finished_at FROM jobs WHERE id = n.job_id OFFSET 0) j
) s
ORDER BY u.id DESC
"""  # noqa: S608 - put together from constants


def list_uploads(
    conn: Connection, tenant: str, *, before: UUID | None = None, reference: str | None = None, limit: int = 50
) -> list[UploadView]:
    """A tenant's files, newest first; `before` is the last one of the previous page; `reference`: only this one."""
    return _views(conn, {"tenant": tenant, "before": before, "id": None, "reference": reference, "limit": limit})


def get_upload(conn: Connection, tenant: str, upload_id: UUID) -> UploadView | None:
    """A tenant's file; None: it has none with this id."""
    known = {"tenant": tenant, "before": None, "id": upload_id, "reference": None, "limit": 1}
    return next(iter(_views(conn, known)), None)


def totals(conn: Connection, tenant: str) -> tuple[int, int]:
    """How many files a tenant has, and their bytes."""
    row = conn.execute(_TOTALS, {"tenant": tenant}).fetchone()
    return (0, 0) if row is None else (row[0], row[1])


def _views(conn: Connection, parameters: dict[str, Any]) -> list[UploadView]:
    with conn.cursor(row_factory=class_row(UploadView)) as cursor:
        return cursor.execute(_VIEW, parameters).fetchall()
