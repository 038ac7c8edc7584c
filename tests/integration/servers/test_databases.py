"""The tests' own databases: one that was used before is as good as a new one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql

from producer import Producer
from storage.settings import Settings
from tests.integration.api.api_server import with_account
from tests.servers import TestServers, run_servers, settings_for

TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
SEQUENCES = "SELECT sequencename, last_value FROM pg_sequences ORDER BY sequencename"


def content(url: str) -> list[Any]:
    """All rows and the state of all sequences."""
    with psycopg.connect(url) as conn:
        tables = [sql.Identifier(name) for (name,) in conn.execute(TABLES).fetchall()]
        rows = [conn.execute(sql.SQL("SELECT * FROM {}").format(table)).fetchall() for table in tables]
        return [rows, conn.execute(SEQUENCES).fetchall()]


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestServers]:
    """Servers whose databases no other test uses."""
    with run_servers(tmp_path_factory.mktemp("own")) as started:
        started.databases.make_template()
        yield started


def identity(url: str) -> int:
    """The number that a database keeps under any name."""
    with psycopg.connect(url) as conn:
        row = conn.execute("SELECT oid::bigint FROM pg_database WHERE datname = current_database()").fetchone()
    assert row is not None
    return int(row[0])


def fill(settings: Settings) -> None:
    with Producer(with_account(settings)) as producer:
        producer.enqueue_many([{"prompt": f"{i}", "idempotency_key": f"{i}"} for i in range(3)], campaign="one")
    with psycopg.connect(settings.require_database_url()) as conn:
        conn.execute("UPDATE tenants SET weight = 3")
        conn.execute("SELECT nextval('attempt_marks')")


def test_a_used_database_comes_back_as_its_migrations_left_it(own: TestServers) -> None:
    with own.database() as first, own.bucket() as bucket:
        new, number = content(first), identity(first)
        fill(settings_for(first, own.valkey.url, bucket))
        assert content(first) != new
        client = psycopg.connect(first)
    with own.database() as second:
        assert (content(second), identity(second)) == (new, number)
        with pytest.raises(psycopg.OperationalError):
            client.execute("SELECT 1")
        with pytest.raises(psycopg.OperationalError, match="does not exist"):
            psycopg.connect(first)
    client.close()


NAMES = """SELECT current_database(), min(indexname) FROM pg_indexes
    WHERE tablename = 'jobs' AND indexname NOT LIKE '%pkey'"""
CHANGES = (
    "CREATE TABLE one (two int)",
    "ALTER TABLE jobs ALTER COLUMN state DROP NOT NULL",
    "ALTER TABLE jobs DISABLE TRIGGER ALL",
    "DROP INDEX {index}",
    "ALTER DATABASE {name} SET statement_timeout = 1000",
    "ALTER DATABASE {name} CONNECTION LIMIT 3",
)


@pytest.mark.parametrize("change", CHANGES)
def test_a_database_whose_schema_or_settings_were_changed_is_not_used_again(own: TestServers, change: str) -> None:
    with own.database() as first:
        number = identity(first)
        with psycopg.connect(first) as conn:
            [[name, index]] = conn.execute(NAMES).fetchall()
            conn.execute(change.format(name=name, index=index))
    with own.database() as second:
        assert identity(second) != number
