"""How the kept counts come into a database: at once into a new one, and into a full one while everything runs.

An upgrade of a full database creates table and triggers first, in a transaction of their own that waits only for the
writers of that moment, and counts after it. So no writer waits for the counting. The migration then finds the table.
An upgrade that was interrupted counts again.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from storage.counted.campaigns import CAMPAIGN_SUMS
from storage.counted.ended import ENDED_SUMS
from storage.counted.failures import FAILURE_COUNTS
from storage.counted.jobs import JOB_COUNTS
from storage.counted.kept_count import KeptCount
from storage.counted.messages import MESSAGE_COUNTS
from storage.counted.rows import ROW_COUNTS
from storage.counted.slots import SLOT_COUNTS

if TYPE_CHECKING:
    from sqlalchemy import Connection

KEPT_COUNTS = (JOB_COUNTS, CAMPAIGN_SUMS, MESSAGE_COUNTS, SLOT_COUNTS, ROW_COUNTS, ENDED_SUMS, FAILURE_COUNTS)
LOCK_S, PAUSE_S, TRIES = 1, 2.0, 150
"""Writers queue behind a lock that waits: after `LOCK_S` the upgrade lets them go first and tries again later."""
VACUUM_S = 5
"""How long it waits for a vacuum to stop."""


def create(revision: str, conn: Connection) -> None:
    """For a migration: create its kept counts and count, unless `count_ahead` has done so. Writers wait until the
    migration ends."""
    for kept in KEPT_COUNTS:
        found = conn.exec_driver_sql(f"SELECT to_regclass('{kept.table}')")
        if kept.revision == revision and found.scalar() is None:
            for statement in (*kept.create, kept.count_sql):
                conn.exec_driver_sql(statement)


def drop(revision: str, conn: Connection) -> None:
    """For a migration: remove its kept counts."""
    for kept in KEPT_COUNTS:
        if kept.revision == revision:
            for statement in kept.drop:
                conn.exec_driver_sql(statement)


def count_ahead(own: psycopg.Connection, beginning: sql.Composed, revision: str) -> None:
    """Create the kept counts of the migration that is next, and count, one process at a time; see
    `storage.large_indexes.wait_alone`.

    `own`: a connection that is in no transaction; `beginning`: what each of its transactions begins with.
    """
    for kept in KEPT_COUNTS:
        if kept.revision == revision:
            _create_quickly(own, beginning, kept)
            with own.transaction():
                own.execute(beginning)
                own.execute(sql.SQL(kept.count_sql))


def _create_quickly(own: psycopg.Connection, beginning: sql.Composed, kept: KeptCount) -> None:
    for left in reversed(range(TRIES)):
        try:
            with own.transaction():
                own.execute(beginning)
                if own.execute("SELECT to_regclass(%s)", [kept.table]).fetchone() != (None,):
                    return  # an earlier upgrade was interrupted
                table = sql.SQL(kept.counted)
                # PostgreSQL stops a vacuum after a second of such a wait; no writer waits behind this lock.
                own.execute(f"SET LOCAL lock_timeout = '{VACUUM_S} s'")
                own.execute(sql.SQL("LOCK TABLE {} IN SHARE UPDATE EXCLUSIVE MODE").format(table))
                own.execute(f"SET LOCAL lock_timeout = '{LOCK_S} s'")
                # Before the triggers, which would each wait for the writers of their moment.
                own.execute(sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE").format(table))
                for statement in kept.create:
                    own.execute(sql.SQL(statement))
            return
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            if not left:
                raise
            time.sleep(PAUSE_S)
