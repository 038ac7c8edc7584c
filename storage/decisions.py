"""Decisions about other things than single jobs, with who made them. Those about jobs are in `job_events`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

from psycopg.rows import class_row

from storage.actors import current_actor
from storage.database import Connection
from storage.jsonb import dumps


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision. `actor` None: the system."""

    id: int
    at: datetime
    actor: str | None
    what: str
    subject: str
    detail: Mapping[str, Any]


_RECORD: LiteralString = """
INSERT INTO decisions (tenant, actor, what, subject, detail)
VALUES (%(tenant)s, %(actor)s, %(what)s, %(subject)s, %(detail)s::jsonb)
"""
_LIST: LiteralString = """
SELECT id, at, actor, what, subject, detail FROM decisions
WHERE tenant = %(tenant)s AND (%(subject)s::text IS NULL OR subject = %(subject)s)
  AND (%(before)s::bigint IS NULL OR id < %(before)s)
ORDER BY id DESC LIMIT %(limit)s
"""


def record(conn: Connection, tenant: str, what: str, subject: str, **detail: Any) -> None:
    """Store a decision of the current actor, in the transaction that carries it out."""
    values = {"tenant": tenant, "actor": current_actor(), "what": what, "subject": subject, "detail": dumps(detail)}
    conn.execute(_RECORD, values)


def list_decisions(
    conn: Connection, tenant: str, subject: str | None = None, *, before: int | None = None, limit: int = 100
) -> list[Decision]:
    """A tenant's decisions, newest first; None: about every subject. `before`: only those with smaller numbers."""
    values = {"tenant": tenant, "subject": subject, "before": before, "limit": limit}
    with conn.cursor(row_factory=class_row(Decision)) as cursor:
        return cursor.execute(_LIST, values).fetchall()
