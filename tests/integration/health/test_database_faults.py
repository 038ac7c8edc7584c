"""Faults of the database, planted in a real PostgreSQL: doctor finds each and says what to do."""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from producer.cli.setup import doctor
from producer.health import servers
from producer.health.findings import Level
from storage import database, revisions
from storage.database import DatabaseUnavailable, Limits, connect, upgrade
from storage.settings import Settings
from tests.integration.health.diagnosis import assert_found, assert_well, diagnose


def with_database(settings: Settings, url: str) -> Settings:
    return settings.model_copy(update={"database_url": url})


def as_user(url: str, user: str, password: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=f"{user}:{password}@{parts.hostname}:{parts.port}").geturl()


@contextmanager
def a_role(url: str, *options: str) -> Iterator[str]:
    """A role without any right; yields the URL with it."""
    name, password = f"role_{secrets.token_hex(4)}", secrets.token_hex(8)
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {} {}").format(
                sql.Identifier(name),
                sql.Literal(password),
                sql.SQL(" ".join(options)),
            )
        )
        try:
            yield as_user(url, name, password)
        finally:
            conn.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def on_write(url: str, body: str) -> None:
    """Run a statement of PL/pgSQL whenever a heartbeat is written."""
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(
            f"CREATE FUNCTION planted() RETURNS trigger AS $$ BEGIN {body}; RETURN NEW; END $$ LANGUAGE plpgsql"
        )
        conn.execute("CREATE TRIGGER planted BEFORE INSERT ON heartbeats FOR EACH ROW EXECUTE FUNCTION planted()")


@pytest.fixture
def spoilt(settings: Settings) -> Iterator[Settings]:
    """Settings whose database gets a trigger, which is removed at the end."""
    yield settings
    with psycopg.connect(settings.require_database_url(), autocommit=True) as conn:
        conn.execute("DROP FUNCTION planted CASCADE")


def test_a_database_that_works(settings: Settings) -> None:
    assert_well(diagnose(settings, "database"), "database")


def test_a_database_that_is_down(settings: Settings, closed_port: int) -> None:
    found = diagnose(with_database(settings, f"postgresql://reelq:hidden@127.0.0.1:{closed_port}/x"), "database")
    assert_found(found, "database_down", "check REELQ_DATABASE_URL", str(closed_port))


def test_a_wrong_password(settings: Settings, postgres_url: str) -> None:
    parts = urlsplit(postgres_url)
    found = diagnose(with_database(settings, as_user(postgres_url, str(parts.username), "wrong-word")), "database")
    assert_found(found, "database_password", "correct the user or password of database_url")


def test_tls_where_the_server_has_none(settings: Settings, postgres_url: str) -> None:
    found = diagnose(with_database(settings, f"{postgres_url}?sslmode=require"), "database")
    assert_found(found, "database_tls", "correct sslmode")


def test_no_connection_left(settings: Settings, postgres_url: str) -> None:
    with a_role(postgres_url, "CONNECTION LIMIT 0") as url:
        assert_found(
            diagnose(with_database(settings, url), "database"), "database_connections", "raise max_connections"
        )


def test_a_user_without_rights(settings: Settings, postgres_url: str) -> None:
    with a_role(postgres_url) as url:
        found = diagnose(with_database(settings, url), "database")
        assert_found(found, "database_right", "give the user of database_url this right")


def test_a_database_that_only_reads(settings: Settings, postgres_url: str) -> None:
    url = f"{postgres_url}?options=-c%20default_transaction_read_only%3Don"
    assert_found(diagnose(with_database(settings, url), "database"), "database_read_only", "name the primary")


def test_a_full_disk(spoilt: Settings) -> None:
    on_write(spoilt.require_database_url(), "RAISE EXCEPTION 'No space left on device' USING ERRCODE = '53100'")
    assert_found(diagnose(spoilt, "database"), "database_full", "free space on the disk of the database")


def test_a_write_that_takes_too_long(spoilt: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_LIMITS", Limits(statement_s=0.2))
    on_write(spoilt.require_database_url(), "PERFORM pg_sleep(60)")
    assert_found(diagnose(spoilt, "database"), "database_slow", "pg_stat_activity")


def test_an_old_server(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "MIN_VERSION", 99)
    assert_found(diagnose(settings, "database"), "database_version", "needs 99 or later: upgrade it")


def test_a_clock_that_differs(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time
    monkeypatch.setattr("producer.health.servers.time", SimpleNamespace(time=lambda: now() - 7200))
    found = diagnose(settings, "database")
    assert_found(found, "database_clock", "differ by 7", "set both by NTP", level=Level.WARN)
    assert_well(found, "database")


def test_an_empty_schema(settings: Settings, empty_postgres_url: str) -> None:
    found = diagnose(with_database(settings, empty_postgres_url), "database")
    assert_found(found, "schema_old", "the schema is empty", "run `reelq db upgrade`")


NEXT = """
revision = "{next}"
down_revision = "{newest}"
branch_labels = depends_on = None
{oldest}


def upgrade():
    pass
"""


def a_newer_release_upgrades(
    url: str, directory: Path, monkeypatch: pytest.MonkeyPatch, oldest: str
) -> tuple[str, str]:
    """Upgrade as a release does that has one migration more; yields this program's revision and the schema's."""
    newest = revisions.newest_revision()
    later = f"{int(newest) + 1:04}"
    shutil.copytree(revisions.MIGRATIONS, directory / "migrations", ignore=shutil.ignore_patterns("__pycache__"))
    text = NEXT.format(next=later, newest=newest, oldest=oldest and f'oldest_program = "{oldest}"')
    (directory / "migrations" / "versions" / f"{later}_of_a_later_release.py").write_text(text)
    with monkeypatch.context() as newer:
        newer.setattr(revisions, "MIGRATIONS", directory / "migrations")
        upgrade(url)
    return newest, later


def test_a_newer_schema_that_fits(
    settings: Settings, empty_postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = empty_postgres_url
    newest, later = a_newer_release_upgrades(url, tmp_path, monkeypatch, revisions.newest_revision())
    found = diagnose(with_database(settings, url), "database")
    assert_well(found, "database")
    [said] = [finding.message for finding in found if finding.part == "database"]
    assert f"revision {later}, newer than this program ({newest}) and fit for it" in said
    upgrade(url)
    with connect(url) as conn:
        assert revisions.current_revision(conn) == later, "an older program leaves it alone"


@pytest.mark.parametrize("stated", [True, False])
def test_a_newer_schema_that_does_not_fit(
    settings: Settings, empty_postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stated: bool
) -> None:
    """A migration that does not say which older programs fit counts as one that none fits."""
    url = empty_postgres_url
    oldest = f"{int(revisions.newest_revision()) + 1:04}" if stated else ""
    newest, later = a_newer_release_upgrades(url, tmp_path, monkeypatch, oldest)
    found = diagnose(with_database(settings, url), "database")
    finding = assert_found(found, "schema_new", f"it knows revision {newest}", f"needs {later} or later", "install")
    assert "db upgrade" not in finding.message
    with pytest.raises(DatabaseUnavailable, match="this program is older than the schema"):
        database.upgrade(url)
