"""An upgrade builds the indexes of large tables before it migrates."""

from __future__ import annotations

import threading
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from storage.counted.ahead import KEPT_COUNTS, count_ahead
from storage.counted.kept_count import KeptCount
from storage.database import connect, upgrade
from storage.large_indexes import LARGE_INDEXES, wait_alone
from tests.integration.jobs.counts.kept_counts import miscounted
from tests.integration.jobs.migrations.test_migrations import migrate
from tests.waiting import wait_for

_JOBS = """INSERT INTO jobs (id, tenant, request, request_hash, gateways)
SELECT gen_random_uuid(), 't' || n % 2, '{}', 'h', '{anyfast}' FROM generate_series(1, 2000) n"""
_GENERATING = """
INSERT INTO jobs (id, tenant, request, request_hash, gateways, lane, state, account, attempt, gateway_task_id)
SELECT gen_random_uuid(), 't0', '{}', 'h', '{anyfast}', 'fast/text/720p', 'generating', 'a' || n % 3, 1, n::text
FROM generate_series(1, 30) n"""
_MESSAGES = """INSERT INTO webhook_messages (id, tenant, type, url, target)
SELECT gen_random_uuid(), 't0', 'job.succeeded', 'https://h.example/', 'h.example' FROM generate_series(1, 20) n"""
_ROWS = """
INSERT INTO campaign_rows (id, campaign_id, number, job_id)
SELECT id, campaign_id, row_number() OVER (), id FROM jobs WHERE campaign_id IS NOT NULL
"""
_WRITES = (
    "INSERT INTO campaigns (id, tenant, name) VALUES (gen_random_uuid(), 't1', 'spring')",
    "UPDATE jobs SET reason = 'throttled', campaign_id = (SELECT id FROM campaigns) WHERE tenant = 't1'",
    "DELETE FROM jobs WHERE id IN (SELECT id FROM jobs ORDER BY id LIMIT 10)",
    """UPDATE jobs SET state = 'transferring', video_url = 'https://v'
       WHERE state = 'generating' AND gateway_task_id < '2'""",
    """UPDATE webhook_messages SET due_at = NULL, delivered_at = now()
       WHERE id IN (SELECT id FROM webhook_messages LIMIT 5)""",
    _MESSAGES,
    """UPDATE jobs SET state = 'cancelled', due_at = NULL, finished_at = now()
       WHERE id IN (SELECT id FROM jobs WHERE tenant = 't0' LIMIT 5)""",
    """UPDATE jobs SET state = 'failed', due_at = NULL, finished_at = now(), error = '{"code": "generation_failed"}'
       WHERE id IN (SELECT id FROM jobs WHERE tenant = 't1' LIMIT 5)""",
    _ROWS,
    "UPDATE campaign_rows SET review = 'approved' WHERE number < 5",
)
_VALID = "SELECT i.relname FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid WHERE x.indisvalid"


def test_an_interrupted_build_is_repeated(empty_postgres_url: str) -> None:
    migrate(empty_postgres_url, "0033")
    with psycopg.connect(empty_postgres_url, autocommit=True) as conn:
        conn.execute(_JOBS)
        conn.execute("CREATE INDEX jobs_tried_idx ON jobs (id)")
        conn.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'jobs_tried_idx'::regclass")
        upgrade(empty_postgres_url)
        assert {index.name for index in LARGE_INDEXES} <= {row[0] for row in conn.execute(_VALID)}
        [definition] = conn.execute("SELECT pg_get_indexdef('jobs_tried_idx'::regclass)").fetchall()
        assert "throttled" in definition[0]
        counted = conn.execute("SELECT tenant, sum(jobs) FROM job_counts GROUP BY 1 ORDER BY 1").fetchall()
        assert counted == [("t0", 1000), ("t1", 1000)]


def test_a_schema_that_lacks_columns_of_an_index_is_upgraded(empty_postgres_url: str) -> None:
    migrate(empty_postgres_url, "0010")  # release 0.2.0
    with psycopg.connect(empty_postgres_url, autocommit=True) as conn:
        conn.execute(_JOBS)
        upgrade(empty_postgres_url)
        assert {index.name for index in LARGE_INDEXES} <= {row[0] for row in conn.execute(_VALID)}
        assert conn.execute("SELECT count(*) FROM jobs").fetchone() == (2000,)


def test_two_upgrades_at_once_and_a_writer_do_not_stop_each_other(empty_postgres_url: str) -> None:
    migrate(empty_postgres_url, "0033")
    failures: list[BaseException] = []
    done = threading.Event()

    def run() -> None:
        try:
            upgrade(empty_postgres_url)
        except Exception as exc:  # noqa: BLE001 - the test checks every failure
            failures.append(exc)

    def write() -> None:
        try:
            with psycopg.connect(empty_postgres_url, autocommit=True) as conn:
                while not done.is_set():
                    conn.execute("UPDATE jobs SET reason = 'throttled' WHERE tenant = 't1'")
        except Exception as exc:  # noqa: BLE001 - as above
            failures.append(exc)

    with psycopg.connect(empty_postgres_url, autocommit=True) as conn:
        conn.execute(_JOBS)
    writer = threading.Thread(target=write)
    upgrades = [threading.Thread(target=run) for _ in range(2)]
    for thread in (writer, *upgrades):
        thread.start()
    for thread in upgrades:
        thread.join()
    done.set()
    writer.join()
    assert failures == []
    with connect(empty_postgres_url) as conn:
        assert miscounted(conn) == []


def test_an_upgrade_that_waits_for_another_holds_no_transaction_open(postgres_url: str) -> None:
    """A build of the other one that came upon one of its looks waited for it for ever."""
    beginning = sql.Composed([sql.SQL("SET LOCAL statement_timeout = 0")])
    started = "SELECT xact_start FROM pg_stat_activity WHERE pid = %s AND xact_start IS NOT NULL"
    with psycopg.connect(postgres_url) as first, psycopg.connect(postgres_url) as second:
        wait_alone(first, beginning)
        waiting = threading.Thread(target=wait_alone, args=(second, beginning))
        waiting.start()
        with psycopg.connect(postgres_url, autocommit=True) as own:
            seen: set[object] = set()

            def saw_three() -> bool:
                seen.update(own.execute(started, [second.info.backend_pid]))
                return len(seen) >= 3

            wait_for("three transactions", saw_three)
        first.rollback()
        waiting.join()


@pytest.mark.parametrize("kept", KEPT_COUNTS, ids=lambda kept: kept.table)
def test_no_writer_waits_while_an_upgrade_counts(empty_postgres_url: str, kept: KeptCount) -> None:
    migrate(empty_postgres_url, f"{kept.revision}-1")
    with (
        psycopg.connect(empty_postgres_url, autocommit=True) as own,
        psycopg.connect(empty_postgres_url, autocommit=True) as writer,
    ):
        for statement in (_JOBS, _GENERATING, _MESSAGES):
            writer.execute(statement)
        count_ahead(own, sql.Composed([sql.SQL("SET LOCAL statement_timeout = 0")]), kept.revision)
        own.execute(f"DELETE FROM {kept.table}")
        with own.transaction():  # the counting lasts until its transaction ends
            own.execute(sql.SQL(kept.count_sql))
            writer.execute("SET lock_timeout = '5 s'")
            for statement in _WRITES:
                writer.execute(statement)
            own.execute("SELECT pg_sleep(0.1)")
    upgrade(empty_postgres_url)
    with connect(empty_postgres_url) as conn:
        assert miscounted(conn) == []
        counted = conn.execute(f"SELECT count(*) FROM {kept.table}").fetchone()
        assert counted is not None
        assert counted[0] > 0


def test_a_build_may_take_longer_than_the_server_allows_a_statement(empty_postgres_url: str) -> None:
    migrate(empty_postgres_url, "0033")
    name = sql.Identifier(urlsplit(empty_postgres_url).path.lstrip("/"))
    with psycopg.connect(empty_postgres_url, autocommit=True) as conn:
        conn.execute(_JOBS)
        conn.execute(sql.SQL("ALTER DATABASE {} SET statement_timeout = '1 s'").format(name))
    with psycopg.connect(empty_postgres_url) as writer:
        writer.execute("UPDATE jobs SET reason = 'throttled'")  # builds wait until this ends
        timer = threading.Timer(1.5, writer.commit)
        timer.start()
        upgrade(empty_postgres_url)
        timer.join()
    with psycopg.connect(empty_postgres_url) as conn:
        assert {index.name for index in LARGE_INDEXES} <= {row[0] for row in conn.execute(_VALID)}
