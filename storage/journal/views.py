"""What people read and decide about the journal and a restore: read-only queries, and one decision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import LiteralString
from uuid import UUID

from psycopg.rows import class_row

from storage.database import Connection, reading_in_order
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
    """Everything to show. `lost` are the newest of them; `unconfirmed` jobs were sent before a restore. `waiting`: of
    the first of the `queued` jobs, if there are very many."""

    state: JournalState
    queued: int
    waiting: Sequence[Waiting]
    unconfirmed: int
    lost: Sequence[Lost]


# A bounded look: of each tenant the oldest, by the one index that has the jobs of a state in order.
_WAITING: LiteralString = """
WITH tenants AS (
    SELECT tenant FROM job_counts WHERE state = 'queued' GROUP BY 1 HAVING sum(jobs) > 0
), looked AS (
    SELECT q.* FROM tenants t CROSS JOIN LATERAL (
        SELECT price_currency, least_price FROM jobs WHERE tenant = t.tenant AND state >= 'queued' AND state <= 'queued'
        ORDER BY state, id LIMIT %(of_each)s) q
    LIMIT %(looked_at)s
)
SELECT price_currency AS currency, count(*) AS jobs, sum(least_price) AS cost FROM looked GROUP BY 1 ORDER BY 1
"""
_QUEUED: LiteralString = "SELECT coalesce(sum(jobs), 0)::bigint FROM job_counts WHERE state = 'queued'"
OF_EACH, LOOKED_AT = 1_000, 5_000
"""Of how many queued jobs the cost is added up, of each tenant and of all."""
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
    with reading_in_order(conn), conn.cursor(row_factory=class_row(Waiting)) as cursor:
        waiting = cursor.execute(_WAITING, {"of_each": OF_EACH, "looked_at": LOOKED_AT}).fetchall()
    queued = conn.execute(_QUEUED).fetchone()
    row = conn.execute(_UNCONFIRMED).fetchone()
    with conn.cursor(row_factory=class_row(Lost)) as cursor:
        lost = cursor.execute(_LOST, {"limit": MOST_LOST}).fetchall()
    return JournalView(found, 0 if queued is None else queued[0], waiting, 0 if row is None else row[0], lost)


def confirm_journal(conn: Connection, place: str) -> bool:
    """Submit again, and keep the journal in this bucket from now on. False: nothing was held."""
    state.note_place(conn, place)
    return state.release(conn)
