"""What people read and decide about the journal and a restore: read-only queries, and one decision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import LiteralString
from uuid import UUID

from psycopg.rows import class_row

from storage.database import Connection
from storage.journal import state
from storage.journal.state import JournalState

MOST_LOST = 1000


@dataclass(frozen=True, slots=True)
class Waiting:
    """Jobs that would be submitted, and their lowest cost in one currency ("": no price is known)."""

    currency: str
    jobs: int
    cost: Decimal


@dataclass(frozen=True, slots=True)
class Lost:
    """A job that was enqueued after the backup that was restored; only the journal knows it."""

    job_id: UUID
    tenant: str
    idempotency_key: str | None
    account: str | None
    gateway_task_id: str | None
    outcome: str | None
    object_key: str | None
    sent_at: datetime | None


@dataclass(frozen=True, slots=True)
class JournalView:
    """Everything to show. `lost` are the newest of them; `unconfirmed` jobs were sent before a restore."""

    state: JournalState
    waiting: Sequence[Waiting]
    unconfirmed: int
    lost: Sequence[Lost]


_WAITING: LiteralString = """
SELECT price_currency AS currency, count(*) AS jobs, sum(least_price) AS cost FROM jobs WHERE state = 'queued'
GROUP BY price_currency ORDER BY price_currency
"""
_UNCONFIRMED: LiteralString = """
SELECT count(*) FROM jobs j WHERE state = 'unconfirmed' AND EXISTS (
    SELECT FROM job_events e WHERE e.job_id = j.id AND e.reason = 'sent_before_restore')
"""
_LOST: LiteralString = """
SELECT job_id, tenant, idempotency_key, account, gateway_task_id, outcome, object_key, sent_at
FROM lost_jobs ORDER BY job_id DESC LIMIT %(limit)s
"""


def journal_view(conn: Connection) -> JournalView:
    """The journal's state, and what a restore has left."""
    found = state.read_state(conn)
    with conn.cursor(row_factory=class_row(Waiting)) as cursor:
        waiting = cursor.execute(_WAITING).fetchall()
    row = conn.execute(_UNCONFIRMED).fetchone()
    with conn.cursor(row_factory=class_row(Lost)) as cursor:
        lost = cursor.execute(_LOST, {"limit": MOST_LOST}).fetchall()
    return JournalView(found, waiting, 0 if row is None else row[0], lost)


def confirm_journal(conn: Connection, place: str) -> bool:
    """Submit again, and keep the journal in this bucket from now on. False: nothing was held."""
    state.note_place(conn, place)
    return state.release(conn)
