"""Limits of database sessions: locks, idle transactions and long statements, regardless of the server's defaults."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from storage.database import Database, DatabaseUnavailable, Limits, LocksHeld, connect, limit, upgrade
from tests.servers import TestServers

SHORT = Limits(lock_s=0.3, idle_s=0.3, statement_s=0.5)
NAMES = (
    "lock_timeout",
    "idle_in_transaction_session_timeout",
    "statement_timeout",
    "TimeZone",
    "tcp_keepalives_idle",
    "tcp_keepalives_interval",
    "tcp_keepalives_count",
    "tcp_user_timeout",
)
OURS = ["5s", "10s", "5min", "UTC", "10", "5", "3", "20000"]
PROMPTLY = [*OURS[:2], "20s", *OURS[3:]]


@pytest.fixture
def short(postgres_url: str) -> Iterator[Database]:
    database = Database(postgres_url, name="test", size=4, limits=SHORT)
    yield database
    database.close()


def settings_in(conn: psycopg.Connection[tuple[str]]) -> list[str]:
    return [str(conn.execute(sql.SQL("SHOW {}").format(sql.Identifier(name))).fetchone()[0]) for name in NAMES]  # type: ignore[index] # SHOW has a row


def test_every_transaction_has_our_limits_whatever_the_servers_are(postgres_url: str) -> None:
    name = urlsplit(postgres_url).path.lstrip("/")
    with psycopg.connect(postgres_url, autocommit=True) as conn:
        for setting in ("lock_timeout = 0", "statement_timeout = '20 ms'", "timezone = 'Asia/Shanghai'"):
            conn.execute(sql.SQL("ALTER DATABASE {} SET " + setting).format(sql.Identifier(name)))
    with connect(postgres_url) as conn:
        assert settings_in(conn) == OURS
    database = Database(postgres_url, name="test", size=1)
    for _ in range(2):
        with database.begin() as conn:
            assert settings_in(conn) == PROMPTLY
            limit(conn, Limits(lock_s=60.0))
    database.close()
    upgrade(postgres_url)  # although none of its statements ends within 20 ms


def test_a_shared_session_keeps_no_settings(postgres_url: str, short: Database) -> None:
    with short.begin() as conn:
        pass
    assert conn.execute("SHOW lock_timeout").fetchone() == ("0",)
    assert conn.info.dsn.find("options") == -1, "RDS Proxy and others refuse connections that carry options"


def test_an_idle_transaction_is_ended_with_an_error(short: Database) -> None:
    def stand_still() -> None:
        with short.begin() as held:
            held.execute("LOCK TABLE jobs")
            time.sleep(1.0)
            with short.begin() as other:
                assert other.execute("SELECT count(*) FROM jobs").fetchone() == (0,)
            held.execute("SELECT 1")

    with pytest.raises(DatabaseUnavailable):
        stand_still()
    with short.begin() as again:
        again.execute("LOCK TABLE jobs")


def test_a_held_lock_is_reported_and_nothing_changes(short: Database, postgres_url: str) -> None:
    def insert_both() -> None:
        with short.begin() as conn:
            conn.execute("INSERT INTO tenants (name) VALUES ('acme')")
            conn.execute("INSERT INTO account_states (name) VALUES ('main')")

    with connect(postgres_url) as holder:
        holder.execute("INSERT INTO account_states (name) VALUES ('main')")
        with pytest.raises(LocksHeld, match="another session holds a lock"):
            insert_both()
        with short.begin() as conn:
            assert conn.execute("SELECT count(*) FROM tenants WHERE name = 'acme'").fetchone() == (0,)


def test_an_endless_statement_is_ended(short: Database) -> None:
    with pytest.raises(DatabaseUnavailable, match="statement timeout"), short.begin() as conn:
        conn.execute("SELECT pg_sleep(30)")


def test_concurrent_migrations_wait_for_each_other(servers: TestServers, empty_postgres_url: str) -> None:
    failed: list[BaseException] = []

    def migrate() -> None:
        try:
            upgrade(empty_postgres_url)
        except BaseException as exc:  # noqa: BLE001 - the test looks at it
            failed.append(exc)

    threads = [threading.Thread(target=migrate) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    with connect(empty_postgres_url) as conn:
        assert conn.execute("SELECT count(*) FROM jobs").fetchone() == (0,)
