"""Count again what is kept: exact while others write, because one statement sees the rows and the counts of one moment.

Two that count the same groups at once would both add the difference, so a lock keeps them apart. The scheduler, which
deals slots by their counts, counts them again each minute: a sweep reaches a worker by the broker, and waits for the
store. That sweep compares all others, tenant by tenant (`count_checks`), and counts again what is wrong.
"""

from __future__ import annotations

from typing import LiteralString

from storage.counted.ahead import KEPT_COUNTS
from storage.counted.kept_count import RECOUNT_LOCK
from storage.counted.messages import MESSAGE_COUNTS
from storage.counted.slots import SLOT_COUNTS
from storage.database import Connection, Limits, limit

LIMITS = Limits(lock_s=600.0, idle_s=60.0, statement_s=3600.0)
"""A statement reads every row, at some 100,000 a second."""
_LOCK: LiteralString = f"SELECT pg_advisory_xact_lock({RECOUNT_LOCK})"
_TRY_LOCK: LiteralString = f"SELECT pg_try_advisory_xact_lock({RECOUNT_LOCK})"


def recount_tenant(conn: Connection, tenant: str) -> int:
    """Correct the counts of a tenant; returns how many groups were wrong. Keeps the lock until the transaction ends."""
    _alone(conn)
    statements = [kept.count_of_tenant_sql for kept in KEPT_COUNTS]
    return sum(conn.execute(sql, {"tenant": tenant}).rowcount for sql in statements if sql is not None)


def recount_messages(conn: Connection) -> int:
    """The same for webhook messages."""
    _alone(conn)
    return conn.execute(MESSAGE_COUNTS.count_sql).rowcount


def recount_slots(conn: Connection) -> int:
    """The same for slots in use, by an index alone; does nothing while others count again, because a round of the
    scheduler must not wait for them."""
    if conn.execute(_TRY_LOCK).fetchone() == (False,):
        return 0
    return conn.execute(SLOT_COUNTS.count_sql).rowcount


def recount_all(conn: Connection) -> dict[str, int]:
    """Correct every kept count; returns how many groups of each table were wrong."""
    _alone(conn)
    return {kept.table: conn.execute(kept.count_sql).rowcount for kept in KEPT_COUNTS}


def _alone(conn: Connection) -> None:
    """A statement of its own: the next one sees what others have counted before they let go."""
    limit(conn, LIMITS)
    conn.execute(_LOCK)
