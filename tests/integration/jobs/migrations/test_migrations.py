"""The migrations create the tables that the code expects."""

from __future__ import annotations

import threading

import psycopg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import create_engine
from sqlmodel import SQLModel

import storage.schema  # noqa: F401 - registers the tables
from storage import database, revisions
from storage.jobs.records import JobView


def test_the_migrations_and_the_models_agree(postgres_url: str) -> None:
    engine = create_engine(postgres_url.replace("://", "+psycopg://", 1))
    with engine.connect() as conn:
        # Partitions are no tables of their own.
        options = {"include_name": lambda name, kind, _: kind != "table" or not str(name).startswith("job_events_")}
        assert compare_metadata(MigrationContext.configure(conn, opts=options), SQLModel.metadata) == []
    engine.dispose()
    with database.connect(postgres_url) as connection:
        assert revisions.current_revision(connection) == revisions.newest_revision()


def test_the_large_tables_carry_their_own_vacuum_settings(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as conn:
        found = conn.execute("SELECT relname, reloptions FROM pg_class WHERE reloptions IS NOT NULL").fetchall()
    settings = {str(name): set(options) for name, options in found}
    for table in ("jobs", "attempts", "webhook_messages"):
        assert "autovacuum_vacuum_scale_factor=0.02" in settings[table]
    assert "fillfactor=85" in settings["jobs"]


def test_concurrent_upgrades_succeed(empty_postgres_url: str) -> None:
    failures: list[BaseException] = []

    def upgrade() -> None:
        try:
            database.upgrade(empty_postgres_url)
        except Exception as exc:  # noqa: BLE001 - the test checks every failure
            failures.append(exc)

    threads = [threading.Thread(target=upgrade) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with database.connect(empty_postgres_url) as connection:
        assert revisions.current_revision(connection) == revisions.newest_revision()


def test_an_old_schema_says_what_to_do(empty_postgres_url: str) -> None:
    with (
        pytest.raises(database.DatabaseUnavailable, match="reelq db upgrade"),
        database.connect(empty_postgres_url) as conn,
    ):
        conn.execute("SELECT 1 FROM jobs")


def test_a_database_that_does_not_answer_is_named_without_its_password() -> None:
    with (
        pytest.raises(database.DatabaseUnavailable, match=r"127\.0\.0\.1:1/x") as caught,
        database.connect("postgresql://u:hidden@127.0.0.1:1/x"),
    ):
        pass
    assert "hidden" not in str(caught.value)


def test_an_invalid_url_is_refused_in_one_line() -> None:
    with pytest.raises(database.DatabaseUnavailable, match="database_url cannot be used"), database.connect("nonsense"):
        pass


def test_every_field_of_a_view_is_a_column(postgres_url: str) -> None:
    columns = set(SQLModel.metadata.tables["jobs"].columns.keys()) | {"campaign", "finals"}  # of other rows
    assert set(JobView.__dataclass_fields__) <= columns


@pytest.mark.parametrize(
    "change",
    [
        "state = 'done'",
        "state = 'failed', due_at = NULL, finished_at = now()",
        "state = 'succeeded', due_at = NULL, finished_at = now()",
        "state = 'cancelled'",
        "finished_at = now()",
        "due_at = NULL",
        "state = 'generating', account = 'a', attempt = 1",
        "state = 'submitting'",
        "state = 'transferring'",
        "priority = 10",
    ],
)
def test_the_database_refuses_inconsistent_rows(postgres_url: str, change: str) -> None:
    with psycopg.connect(postgres_url) as conn:
        conn.execute(
            "INSERT INTO jobs (id, request, request_hash, gateways) VALUES (gen_random_uuid(), '{}', 'h', '{anyfast}')"
        )
        with pytest.raises(psycopg.errors.CheckViolation):
            conn.execute(f"UPDATE jobs SET {change}")
        conn.rollback()


def migrate(url: str, revision: str) -> None:
    """Bring the schema to one revision, up or down."""
    config = Config()
    config.set_main_option("script_location", str(revisions.MIGRATIONS))
    engine = create_engine(url.replace("://", "+psycopg://", 1))
    with engine.begin() as conn:
        config.attributes["connection"] = conn
        known = MigrationContext.configure(conn).get_current_revision() or ""
        (command.upgrade if known < revision else command.downgrade)(config, revision)
    engine.dispose()


def test_an_upgrade_leaves_a_task_to_the_attempt_that_had_it_first(empty_postgres_url: str) -> None:
    url = empty_postgres_url
    migrate(url, "0013")
    with psycopg.connect(url) as conn:
        conn.execute(
            """INSERT INTO jobs (id, request, request_hash, gateways, state, account, gateway, attempt, gateway_task_id)
               SELECT gen_random_uuid(), '{}', n::text, '{ark}', 'generating', 'main', 'ark', 1, 'cgt-1'
               FROM generate_series(1, 3) n"""
        )
        conn.execute(
            """INSERT INTO attempts (job_id, number, account, model, started_at, finished_at, outcome, gateway_task_id)
               SELECT id, 1, account, 'm', now() - make_interval(mins => request_hash::int), now(), 'accepted', 'cgt-1'
               FROM jobs"""
        )
        conn.execute(
            "UPDATE attempts SET account = 'other' WHERE job_id = (SELECT id FROM jobs WHERE request_hash = '1')"
        )
    migrate(url, "0014")
    with psycopg.connect(url) as conn:
        rows = conn.execute(
            """SELECT j.request_hash, a.outcome, a.gateway_task_id, a.error ->> 'task_id', a.error ->> 'holder',
                      a.gateway
               FROM attempts a JOIN jobs j ON j.id = a.job_id ORDER BY 1"""
        ).fetchall()
        [oldest] = conn.execute("SELECT id::text FROM jobs WHERE request_hash = '3'").fetchall()
    assert rows == [
        ("1", "accepted", "cgt-1", None, None, None),
        ("2", "task_taken", None, "cgt-1", oldest[0], "ark"),
        ("3", "accepted", "cgt-1", None, None, "ark"),
    ]
    migrate(url, "0013")
    migrate(url, "0014")
