"""Connections to PostgreSQL, and bringing its schema up to date."""

from __future__ import annotations

import select
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
import psycopg
from psycopg.rows import TupleRow
from psycopg.types.json import set_json_loads
from psycopg_pool import ConnectionPool, PoolTimeout

MIGRATIONS = Path(__file__).parent / "migrations"
CONNECT_TIMEOUT_S = 5
RECONNECT_S = 3.0
_MIGRATION_LOCK = 0x7265656C71  # any number, the same in every process

Connection = psycopg.Connection[TupleRow]
set_json_loads(orjson.loads)  # what is stored was written by orjson


class DatabaseUnavailable(Exception):
    """The database does not answer, or refuses us. The text is one line, without the password."""


class LocksHeld(Exception):
    """Somebody else holds what the statement needs, for longer than `wait_for_locks` allows."""


def wait_for_locks(conn: Connection, at_most_s: float) -> None:
    """For the rest of the transaction, give a statement up with `LocksHeld` when a lock is not free after so long."""
    conn.execute("SELECT set_config('lock_timeout', %s, true)", [f"{max(1, round(at_most_s * 1000))}ms"])


def _location(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.hostname or 'localhost'}:{parts.port or 5432}{parts.path}"


def _driver_url(url: str) -> str:
    """The URL as libpq takes it: SQLAlchemy's driver suffix is accepted and dropped."""
    scheme, separator, rest = url.partition("://")
    return f"{scheme.split('+')[0]}{separator}{rest}"


def _options(name: str) -> dict[str, Any]:
    return {
        "connect_timeout": CONNECT_TIMEOUT_S,
        "application_name": name,
        "options": "-c timezone=UTC",
        # A peer that vanished without a word must not hold a thread for the kernel's two hours.
        "keepalives_idle": 15,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 30_000,
    }


@contextmanager
def _translated(url: str) -> Iterator[None]:
    try:
        yield
    except psycopg.errors.LockNotAvailable as exc:
        raise LocksHeld(str(exc).splitlines()[0]) from exc
    except (psycopg.OperationalError, PoolTimeout) as exc:
        first = next((line.strip() for line in str(exc).splitlines() if line.strip()), type(exc).__name__)
        raise DatabaseUnavailable(f"database at {_location(url)}: {first}") from exc
    except psycopg.ProgrammingError as exc:
        if isinstance(exc, psycopg.errors.UndefinedTable | psycopg.errors.UndefinedColumn):
            raise DatabaseUnavailable(
                f"database at {_location(url)} is not up to date; run `reelq db upgrade`"
            ) from exc
        if exc.sqlstate is None:  # raised by the driver: the URL itself cannot be read
            raise DatabaseUnavailable(f"database_url cannot be used: {str(exc).splitlines()[0]}") from exc
        raise


@contextmanager
def connect(url: str, name: str = "reelq") -> Iterator[Connection]:
    """One connection for a short use; commits at the end, rolls back on an exception.

    Raises:
        DatabaseUnavailable: it does not answer, or its schema is not up to date.
    """
    with _translated(url), psycopg.connect(_driver_url(url), **_options(name)) as conn:
        yield conn


def _check(conn: Connection) -> None:
    """Pass for a connection that the server has not closed. One that it has closed has something to read, so only that
    one is worth a question over the network."""
    poll = select.poll()
    poll.register(conn.fileno(), select.POLLIN)
    if poll.poll(0):
        ConnectionPool.check_connection(conn)


class Database:
    """A pool of connections for a long-lived process; opens them when they are first needed."""

    def __init__(self, url: str, *, name: str, size: int, wait_s: float = 30.0) -> None:
        self.url = url
        self._pool: ConnectionPool[Connection] = ConnectionPool(
            _driver_url(url),
            kwargs=_options(name),
            min_size=0,
            max_size=size,
            timeout=wait_s,
            max_idle=60.0,
            # The pool doubles its pauses for as long as it tries; a short try begins anew with a short pause, so that
            # work goes on soon after a long outage.
            reconnect_timeout=RECONNECT_S,
            check=_check,
            open=False,
        )

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A transaction; commits at the end, rolls back on an exception.

        Raises:
            DatabaseUnavailable: as `connect`.
        """
        self._pool.open()
        with _translated(self.url), self._pool.connection() as conn:
            yield conn

    def close(self) -> None:
        self._pool.close(timeout=5.0)


def upgrade(url: str) -> None:
    """Bring the schema to the newest version; several may call it at once, one of them does it.

    Raises:
        DatabaseUnavailable: as `connect`.
    """
    # Alembic and SQLAlchemy take most of a second to import, and only this needs them.
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import create_engine, pool

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with connect(url) as lock:
        lock.execute("SELECT pg_advisory_xact_lock(%s)", [_MIGRATION_LOCK])
        driver_url = _driver_url(url).replace("postgres://", "postgresql://", 1)
        engine = create_engine(driver_url.replace("://", "+psycopg://", 1), poolclass=pool.NullPool)
        with engine.begin() as conn:
            config.attributes["connection"] = conn
            command.upgrade(config, "head")


def newest_revision() -> str:
    """The revision that this code is written for."""
    revisions = sorted(path.name.split("_", 1)[0] for path in (MIGRATIONS / "versions").glob("[0-9]*_*.py"))
    return revisions[-1]


def current_revision(conn: Connection) -> str | None:
    """The schema's revision, None before the first migration."""
    row = conn.execute("SELECT to_regclass('alembic_version') IS NOT NULL").fetchone()
    if row is None or not row[0]:
        return None
    row = conn.execute("SELECT version_num FROM alembic_version").fetchone()
    return None if row is None else str(row[0])
