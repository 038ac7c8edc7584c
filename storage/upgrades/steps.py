"""Upgrade the schema while everything runs: one transaction for each migration, which waits for a lock only briefly.

A statement that waits for a lock holds up every later statement that needs the same table. So a migration of a database
that is in use gives up after `LOCK_S`, and is tried again when the others have had their turn. Vacuum gives way only to
a session that has waited for a second, so a first, weak lock, for which no writer waits, stops it before.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from psycopg import sql
from sqlalchemy import Connection as AlchemyConnection
from sqlalchemy import create_engine, pool
from sqlalchemy.exc import DBAPIError

from storage import revisions
from storage.counted.ahead import count_ahead
from storage.large_indexes import build_ahead, wait_alone

log = logging.getLogger("reelq.upgrade")

LARGE_TABLES = ("jobs", "attempts", "job_events", "webhook_messages")
"""Tables that grow with every job, and that every part writes."""
LOCK_S = 0.5
"""How long a migration of a database in use may wait for a lock, and writers behind it."""
VACUUM_S = 5.0
"""How long it may wait for the weak lock, for which no writer waits; PostgreSQL stops a vacuum after a second of it."""
PATIENCE_S = 600.0
"""How long a migration is tried again."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 10.0
_MIGRATION_LOCK = 0x7265656C71  # any number, the same in every process
_KNOWN: LiteralString = "SELECT to_regclass(name)::text FROM unnest(%s::text[]) name"

Plain = psycopg.Connection[Any]


@dataclass(frozen=True, slots=True)
class Server:
    """How to reach the database, and what begins a transaction that builds indexes or that migrates.

    `check` refuses a server that cannot store jobs.
    """

    conninfo: str
    build: sql.Composed
    migrate: sql.Composed
    check: Callable[[Plain], None]


def upgrade_schema(server: Server) -> None:
    """Run the migrations, one after the other, each after its indexes were built; a new database gets all at once.

    Raises:
        psycopg.errors.LockNotAvailable: another session held a lock for `PATIENCE_S`.
        psycopg.Error: the database failed, or refused.
    """
    engine = create_engine(
        "postgresql+psycopg://",
        creator=lambda: psycopg.connect(server.conninfo, prepare_threshold=None),
        poolclass=pool.NullPool,
        use_native_hstore=False,
    )
    config = Config()
    config.set_main_option("script_location", str(revisions.MIGRATIONS))
    scripts = ScriptDirectory.from_config(config)  # it loads every migration
    until, pause_s = time.monotonic() + PATIENCE_S, _FIRST_PAUSE_S
    while True:
        prepared = _prepare(server, scripts)  # each time: an index may need what the last migration has added
        try:
            with engine.begin() as conn:
                if not _step(conn, server, config, scripts, prepared):
                    return
            until, pause_s = time.monotonic() + PATIENCE_S, _FIRST_PAUSE_S
        except DBAPIError as exc:
            locked = isinstance(exc.orig, psycopg.errors.LockNotAvailable | psycopg.errors.DeadlockDetected)
            if not locked or time.monotonic() > until:
                raise exc.orig or exc from exc
            log.info("upgrade.waits pause_s=%.1f reason=%s", pause_s, str(exc.orig).splitlines()[0])
            time.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


def _prepare(server: Server, scripts: ScriptDirectory) -> str | None:
    """Build the indexes of later migrations, and count what the next one keeps counts of, while everything runs.

    Gives the next one; None: there is none, or all come at once, on a new database.
    """
    with (
        psycopg.connect(server.conninfo, prepare_threshold=None) as held,
        psycopg.connect(server.conninfo, prepare_threshold=None, autocommit=True) as own,
    ):
        held.isolation_level = psycopg.IsolationLevel.READ_COMMITTED  # another keeps a snapshot, which builds wait for
        held.execute(server.build, prepare=False)
        if _after(revisions.current_revision(held), scripts) is None:
            return None
        wait_alone(held, server.build)
        found = revisions.current_revision(held)
        revision = _after(found, scripts)
        if found is not None and revision is not None:
            try:
                build_ahead(held, own, found)
                count_ahead(own, server.migrate, revision)
            except psycopg.Error:
                # Another process, which prepared this one before, may just have run it: the tables are others then.
                if own.closed or revisions.current_revision(own) == found:
                    raise
        return revision


def _after(found: str | None, scripts: ScriptDirectory) -> str | None:
    """The migration that comes next; None: none does, or all come at once, on a new database."""
    if found is None or found >= revisions.newest_revision():
        return None
    return min(step.revision for step in scripts.iterate_revisions("head", found))


def _step(
    conn: AlchemyConnection, server: Server, config: Config, scripts: ScriptDirectory, prepared: str | None
) -> bool:
    """Run the migration that is prepared, unless another process has; or all of them on a new database. False: there
    is none left."""
    driver = conn.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)  # noqa: S101 - what `creator` made
    driver.execute(server.migrate, prepare=False)
    # The first process migrates, however long it takes; a process that waits here finds nothing left to do.
    conn.exec_driver_sql("SET LOCAL lock_timeout = 0")
    conn.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
    server.check(driver)
    found = revisions.current_revision(driver)
    if found is not None and found >= revisions.newest_revision():
        revisions.check_schema(driver)
        return False
    target = _after(found, scripts) or "head"
    if found is not None:
        if target != prepared:  # it comes after one that another process ran, which may be preparing it
            return True
        _stop_vacuum(conn, driver)
    conn.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_S:g}s'")
    config.attributes["connection"] = conn
    command.upgrade(config, target)
    applied = scripts.iterate_revisions(target, "base")
    oldest = max(getattr(step.module, "oldest_program", step.revision) for step in applied)
    revisions.keep_oldest_program(driver, oldest)
    return True


def _stop_vacuum(conn: AlchemyConnection, driver: Plain) -> None:
    conn.exec_driver_sql(f"SET LOCAL lock_timeout = '{VACUUM_S:g}s'")
    found = driver.execute(_KNOWN, [list(LARGE_TABLES)], prepare=False)
    for name in [row[0] for row in found if row[0] is not None]:
        conn.exec_driver_sql(f"LOCK TABLE {name} IN SHARE UPDATE EXCLUSIVE MODE")
