"""How the kept counts come into a database: at once into a new one, and into a full one while everything runs.

An upgrade of a full database creates table and triggers first, in a transaction of their own that waits only for the
writers of that moment, and counts after it. So no writer waits for the counting. The migration then finds the table.
An upgrade that was interrupted counts again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from storage import revisions
from storage.counted.campaigns import CAMPAIGN_SUMS
from storage.counted.jobs import JOB_COUNTS
from storage.counted.kept_count import KeptCount
from storage.counted.messages import MESSAGE_COUNTS

if TYPE_CHECKING:
    from sqlalchemy import Connection

KEPT_COUNTS = (JOB_COUNTS, CAMPAIGN_SUMS, MESSAGE_COUNTS)
LOCK_S, VACUUM_S = 0.5, 5.0
"""How long the triggers may wait for writers, who queue behind them, and for a vacuum, for which none does."""
_LOCK = 0x7265656C7163  # any number, the same in every process


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


def count_ahead(own: psycopg.Connection[Any], beginning: sql.Composed) -> None:
    """Create the kept counts of the next migration, and count, one process at a time.

    `own`: a connection that is in no transaction; `beginning`: what each of its transactions begins with.

    Raises:
        psycopg.errors.LockNotAvailable: a writer was in the way for too long; try again later.
    """
    for kept in KEPT_COUNTS:
        for work in (_create, _count):
            with own.transaction():
                own.execute(beginning, prepare=False)
                if revisions.current_revision(own) != kept.since:
                    continue
                own.execute("SET LOCAL lock_timeout = 0")
                own.execute(f"SELECT pg_advisory_xact_lock({_LOCK})")
                if revisions.current_revision(own) == kept.since:  # no other process has finished it in between
                    work(own, kept)


def _create(own: psycopg.Connection[Any], kept: KeptCount) -> None:
    if own.execute("SELECT to_regclass(%s)", [kept.table]).fetchone() != (None,):
        return  # an earlier upgrade was interrupted
    table = sql.SQL(kept.counted)
    own.execute(f"SET LOCAL lock_timeout = '{VACUUM_S:g}s'")
    own.execute(sql.SQL("LOCK TABLE {} IN SHARE UPDATE EXCLUSIVE MODE").format(table))
    own.execute(f"SET LOCAL lock_timeout = '{LOCK_S:g}s'")
    own.execute(sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE").format(table))
    for statement in kept.create:
        own.execute(sql.SQL(statement))


def _count(own: psycopg.Connection[Any], kept: KeptCount) -> None:
    own.execute(sql.SQL(kept.count_sql))
