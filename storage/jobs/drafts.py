"""The drafts that finals are made of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from psycopg.rows import class_row

from storage.database import Connection
from storage.jobs.records import FinalOf
from storage.jobs.states import JobState


@dataclass(frozen=True, slots=True)
class Draft:
    """A job that a final is to be made of. `ends_at`: until when its gateway makes one; None: not known, or it is no
    draft. `is_known`: the same final may be stored already."""

    id: UUID
    state: str
    request: dict[str, Any]
    account: str | None
    model: str | None
    task_id: str | None
    ends_at: datetime | None
    is_over: bool
    is_known: bool

    @property
    def succeeded(self) -> bool:
        return self.state == JobState.SUCCEEDED


_FIND: LiteralString = """
SELECT j.id, j.state, j.request, j.account, j.model, j.gateway_task_id AS task_id, j.draft_ends_at AS ends_at,
       coalesce(j.draft_ends_at <= now(), false) AS is_over,
       EXISTS(SELECT FROM jobs f WHERE f.draft_of = j.id AND f.tenant = j.tenant
                AND (%(key)s::text IS NULL OR f.idempotency_key = %(key)s)) AS is_known
FROM jobs j WHERE j.id = %(id)s AND j.tenant = %(tenant)s
"""
_OF_FINAL: LiteralString = """
SELECT draft_of AS job_id, draft_task_id AS task_id, draft_model AS model, draft_ends_at AS ends_at
FROM jobs WHERE id = %(id)s AND draft_of IS NOT NULL
"""


def find_draft(conn: Connection, tenant: str, job_id: UUID, key: str | None = None) -> Draft | None:
    """A tenant's job of which a final is to be made; None: the tenant has no such job. `key`: the idempotency key of
    the final, if it has one."""
    with conn.cursor(row_factory=class_row(Draft)) as cursor:
        return cursor.execute(_FIND, {"id": job_id, "tenant": tenant, "key": key}).fetchone()


def draft_of_final(conn: Connection, job_id: UUID) -> FinalOf | None:
    """What a final is made of; None: the job is no final."""
    with conn.cursor(row_factory=class_row(FinalOf)) as cursor:
        return cursor.execute(_OF_FINAL, {"id": job_id}).fetchone()
