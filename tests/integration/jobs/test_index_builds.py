"""An upgrade builds the indexes of large tables before it migrates."""

from __future__ import annotations

import threading
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from storage.database import upgrade
from storage.large_indexes import LARGE_INDEXES
from tests.integration.jobs.test_migrations import migrate

_JOBS = """INSERT INTO jobs (id, tenant, request, request_hash, gateways)
SELECT gen_random_uuid(), 't' || n % 2, '{}', 'h', '{anyfast}' FROM generate_series(1, 2000) n"""
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
    with psycopg.connect(empty_postgres_url) as conn:
        wrong = """SELECT FROM (SELECT tenant, sum(jobs) AS n FROM job_counts GROUP BY 1) k
                   FULL JOIN (SELECT tenant, count(*) AS n FROM jobs GROUP BY 1) j USING (tenant)
                   WHERE k.n IS DISTINCT FROM j.n"""
        assert conn.execute(wrong).fetchall() == []


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
