"""An upgrade of a database in use lets its writers work."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from psycopg import sql

from storage import database, revisions
from storage.counted import ahead
from storage.jobs import history, queries
from storage.jobs.events import log
from storage.jobs.events.positions import Position
from storage.large_indexes import build_ahead, create_statements
from storage.upgrades import steps
from tests.integration.jobs.migrations.test_migrations import migrate
from tests.integration.jobs.test_jobs import a_job, enqueue
from tests.waiting import wait_for

_JOB = """INSERT INTO jobs (id, tenant, request, request_hash, gateways)
VALUES (gen_random_uuid(), 't', '{}', 'h', '{anyfast}')"""
LIMIT_S = 5
"""Statements before those that lift the limits take milliseconds; on a loaded machine 0.2 s was too short for them."""


@contextmanager
def upgrading(url: str) -> Iterator[list[BaseException]]:
    failures: list[BaseException] = []

    def run() -> None:
        try:
            database.upgrade(url)
        except Exception as exc:  # noqa: BLE001 - the test checks every failure
            failures.append(exc)

    thread = threading.Thread(target=run)
    thread.start()
    yield failures
    thread.join()


def build_indexes_of_jobs(url: str) -> None:
    """Their builds would wait for every writer, before any migration does."""
    with psycopg.connect(url) as conn:
        for revision in ("0056", "0057", "0058"):
            for statement in create_statements(revision):
                conn.execute(statement.encode())


def waits_for_a_lock(conn: psycopg.Connection) -> bool:
    query = "SELECT FROM pg_locks l WHERE NOT granted AND locktype = 'relation' AND relation = 'jobs'::regclass"
    return conn.execute(query).fetchone() is not None


def wait_past_the_limits(conn: psycopg.Connection, statement: str, failures: list[BaseException]) -> None:
    """Until an upgrade has waited in this statement for longer than `LIMIT_S`, or has failed. The transaction that
    keeps other processes out is older then."""
    query = """SELECT FROM pg_stat_activity WHERE datname = current_database() AND state = 'active'
        AND query LIKE %s AND now() - query_start > make_interval(secs => %s)"""
    parameters = [f"{statement}%", LIMIT_S + 1]
    wait_for(f"{statement} is old", lambda: failures or conn.execute(query, parameters).fetchone() is not None)


def test_a_migration_that_waits_for_a_lock_lets_writers_pass(empty_postgres_url: str) -> None:
    url = empty_postgres_url
    migrate(url, "0039")
    build_indexes_of_jobs(url)
    with psycopg.connect(url) as slow, psycopg.connect(url, autocommit=True) as writer:
        slow.execute(_JOB)  # a transaction that takes long, such as that of a backend
        with upgrading(url) as failures:
            wait_for("the migration waits for a lock", lambda: waits_for_a_lock(writer), every_s=0.01)
            writer.execute("SET lock_timeout = '20s'")
            writer.execute(_JOB)  # it queues behind the migration, which gives up
            assert revisions.current_revision(writer) == "0039"
            slow.commit()
        assert failures == []
        assert revisions.current_revision(writer) == revisions.newest_revision()
        assert revisions.oldest_program(writer) is not None


def test_migrations_are_applied_one_by_one(empty_postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    url = empty_postgres_url
    migrate(url, "0031")
    with psycopg.connect(url) as slow, psycopg.connect(url, autocommit=True) as reader:
        slow.execute("LOCK TABLE job_events IN ACCESS SHARE MODE")  # what a dump holds; 0038 changes this table
        monkeypatch.setattr(steps, "PATIENCE_S", 0.0)
        monkeypatch.setattr(steps, "LOCK_S", 0.1)
        with upgrading(url) as failures:
            pass
        assert [type(exc) for exc in failures] == [database.LocksHeld]
        assert revisions.current_revision(reader) == "0037"
        assert revisions.oldest_program(reader) == "0037"
        slow.commit()
        database.upgrade(url)
        assert revisions.current_revision(reader) == revisions.newest_revision()


def test_time_limits_of_the_database_do_not_end_an_upgrade(
    empty_postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = empty_postgres_url
    migrate(url, "0040")
    build_indexes_of_jobs(url)
    monkeypatch.setattr(ahead, "LOCK_S", 60)
    limits = ("transaction_timeout", "idle_in_transaction_session_timeout", "statement_timeout")
    without = " ".join(f"-c{name}=0" for name in limits)
    with psycopg.connect(url, autocommit=True) as admin:
        for name in limits:
            statement = sql.SQL("ALTER DATABASE {} SET {} = {}")
            admin.execute(statement.format(sql.Identifier(admin.info.dbname), sql.Identifier(name), f"{LIMIT_S}s"))
        with psycopg.connect(url, options=without) as sender, psycopg.connect(url, options=without) as writer:
            sender.execute("LOCK TABLE webhook_messages IN ROW EXCLUSIVE MODE")
            writer.execute(_JOB)
            with upgrading(url) as failures:
                wait_past_the_limits(admin, "CREATE INDEX CONCURRENTLY webhook_messages", failures)
                sender.commit()
                wait_past_the_limits(admin, "LOCK TABLE jobs", failures)
                writer.commit()
        assert failures == []
        assert revisions.current_revision(admin) == revisions.newest_revision()


def test_a_migration_may_be_run_by_another_process_while_this_one_prepares_it(
    empty_postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = empty_postgres_url
    migrate(url, "0043")

    def build_late(held: psycopg.Connection, own: psycopg.Connection, current: str) -> None:
        if current == "0043":
            migrate(url, "0044")  # makes another table of the one that the index is for
        build_ahead(held, own, current)

    monkeypatch.setattr(steps, "build_ahead", build_late)
    database.upgrade(url)
    with psycopg.connect(url) as conn:
        assert revisions.current_revision(conn) == revisions.newest_revision()


def test_a_program_that_runs_goes_on_reading_when_a_migration_adds_columns(postgres_url: str) -> None:
    [job_id] = enqueue(postgres_url, a_job("a"))
    db = database.Database(postgres_url, name="test", size=1)

    def read() -> None:
        with db.begin() as conn:
            history.attempts_of(conn, job_id)
            assert len(history.events_of(conn, job_id)) == 1
            assert list(queries.get_jobs(conn, "default", [job_id])) == [job_id]
            assert len(log.EventLog(Position(0, ())).read(conn)) == 1

    for _ in range(10):  # until the driver has prepared the statements
        read()
    with psycopg.connect(postgres_url) as conn:
        for table in steps.LARGE_TABLES:
            conn.execute(sql.SQL("ALTER TABLE {} ADD COLUMN later int").format(sql.Identifier(table)))
    read()
    db.close()
