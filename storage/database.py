"""Connect to PostgreSQL, and upgrade its schema."""

from __future__ import annotations

import select
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString
from urllib.parse import urlsplit

import orjson
import psycopg
from psycopg.rows import TupleRow
from psycopg.types.json import set_json_loads
from psycopg_pool import ConnectionPool, PoolTimeout

MIGRATIONS = Path(__file__).parent / "migrations"
CONNECT_TIMEOUT_S = 5
RECONNECT_S = 3.0
KEEPALIVE_IDLE_S, KEEPALIVE_INTERVAL_S, KEEPALIVE_COUNT = 15, 5, 3
TCP_USER_TIMEOUT_MS = 30_000
_MIGRATION_LOCK = 0x7265656C71  # any number, the same in every process

Connection = psycopg.Connection[TupleRow]
set_json_loads(orjson.loads)  # stored JSON was written by orjson


class DatabaseUnavailable(Exception):
    """The database does not respond, or refuses the connection. The text is one line, without the password."""


class LocksHeld(DatabaseUnavailable):
    """A statement waited too long for a lock that another session holds. Nothing was changed; try the transaction
    again."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Time limits that the server enforces, in seconds, so that a session that hangs does not block others for longer.

    `lock_s`: the wait of a statement for a lock. `idle_s`: an idle session inside a transaction, because its process is
    stopped or its host is gone. `statement_s`: one statement. 0: no limit.
    """

    lock_s: float = 5.0
    idle_s: float = 10.0
    statement_s: float = 300.0

    @property
    def statements(self) -> LiteralString:
        """Statements that set the limits for the rest of a transaction, not of the session.

        A transaction pooler shares sessions with other clients, and some poolers refuse connection options.
        """
        limits = {"lock": self.lock_s, "idle_in_transaction_session": self.idle_s, "statement": self.statement_s}
        settings = [f"SET LOCAL {name}_timeout = {round(seconds * 1000)}" for name, seconds in limits.items()]
        return "; ".join(["SET LOCAL TIME ZONE 'UTC'", *settings])

    @property
    def begin(self) -> LiteralString:
        """The statements that begin a transaction: one message, like a plain BEGIN."""
        return f"BEGIN; {self.statements}"


DEFAULT_LIMITS = Limits()
BULK = Limits(lock_s=60.0, idle_s=60.0)
"""For transactions that store many jobs at once: they hold no lock that a scheduler or a worker waits for, but wait for
each other."""
_MIGRATION = Limits(lock_s=60.0, idle_s=60.0, statement_s=0.0)


def limit(conn: Connection, limits: Limits) -> None:
    """Set other limits for the rest of the transaction."""
    conn.execute(limits.statements, prepare=False)


def _location(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.hostname or 'localhost'}:{parts.port or 5432}{parts.path}"


def _driver_url(url: str) -> str:
    """The URL for libpq: without SQLAlchemy's driver suffix, if it has one."""
    scheme, separator, rest = url.partition("://")
    return f"{scheme.split('+')[0]}{separator}{rest}"


def _options(name: str) -> dict[str, Any]:
    return {
        "connect_timeout": CONNECT_TIMEOUT_S,
        "application_name": name,
        "autocommit": True,  # `Limits.begin` begins transactions
        # A server that vanished must not hold a thread for the kernel's two hours.
        "keepalives_idle": KEEPALIVE_IDLE_S,
        "keepalives_interval": KEEPALIVE_INTERVAL_S,
        "keepalives_count": KEEPALIVE_COUNT,
        "tcp_user_timeout": TCP_USER_TIMEOUT_MS,
    }


_KEEP_ALIVE: LiteralString = f"""
SET tcp_keepalives_idle = {KEEPALIVE_IDLE_S}; SET tcp_keepalives_interval = {KEEPALIVE_INTERVAL_S};
SET tcp_keepalives_count = {KEEPALIVE_COUNT}; SET tcp_user_timeout = {TCP_USER_TIMEOUT_MS}
"""


def _watch_us(conn: Connection) -> None:
    """Set the keepalive of the server, so that it notices a vanished client as fast as we notice a vanished server."""
    conn.execute(_KEEP_ALIVE, prepare=False)


# psycopg derives the two time limits from InternalError, although they are the client's fault.
_UNAVAILABLE = (
    psycopg.OperationalError,
    psycopg.errors.IdleInTransactionSessionTimeout,
    psycopg.errors.TransactionTimeout,
    PoolTimeout,
)


@contextmanager
def _translated(url: str) -> Iterator[None]:
    try:
        yield
    except psycopg.errors.LockNotAvailable as exc:
        message = "another session holds a lock that this needs; nothing was changed, try again"
        raise LocksHeld(f"database at {_location(url)}: {message}") from exc
    except _UNAVAILABLE as exc:
        first = next((line.strip() for line in str(exc).splitlines() if line.strip()), type(exc).__name__)
        raise DatabaseUnavailable(f"database at {_location(url)}: {first}") from exc
    except psycopg.ProgrammingError as exc:
        if isinstance(exc, psycopg.errors.UndefinedTable | psycopg.errors.UndefinedColumn):
            raise DatabaseUnavailable(
                f"database at {_location(url)} is not up to date; run `reelq db upgrade`"
            ) from exc
        if exc.sqlstate is None:  # raised by the driver: the URL itself is invalid
            raise DatabaseUnavailable(f"database_url cannot be used: {str(exc).splitlines()[0]}") from exc
        raise


@contextmanager
def connect(url: str, name: str = "reelq") -> Iterator[Connection]:
    """One transaction on its own connection; commits at the end, rolls back on an exception.

    Raises:
        LocksHeld: another session holds a lock that a statement needs.
        DatabaseUnavailable: the database does not respond, or its schema is not up to date.
    """
    with _translated(url), psycopg.connect(_driver_url(url), **_options(name)) as conn:
        _watch_us(conn)
        conn.execute(DEFAULT_LIMITS.begin, prepare=False)
        yield conn


def _check(conn: Connection) -> None:
    """Check that the server has not closed a connection.

    A closed connection has bytes to read, so only a connection with bytes to read is checked over the network.
    """
    poll = select.poll()
    poll.register(conn.fileno(), select.POLLIN)
    if poll.poll(0):
        ConnectionPool.check_connection(conn)


class Database:
    """A pool of connections for a long-lived process; opens them on first use."""

    def __init__(
        self, url: str, *, name: str, size: int, wait_s: float = 30.0, limits: Limits = DEFAULT_LIMITS
    ) -> None:
        self.url = url
        self._begin = limits.begin
        self._pool: ConnectionPool[Connection] = ConnectionPool(
            _driver_url(url),
            kwargs=_options(name),
            min_size=0,
            max_size=size,
            timeout=wait_s,
            max_idle=60.0,
            # The pool doubles its pauses while it tries to reconnect. A short limit makes it start again with a short
            # pause, so that work continues soon after a long outage.
            reconnect_timeout=RECONNECT_S,
            configure=_watch_us,
            check=_check,
            open=False,
        )

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A transaction; commits at the end, rolls back on an exception.

        Raises:
            LocksHeld, DatabaseUnavailable: as `connect`.
        """
        self._pool.open()
        with _translated(self.url), self._pool.connection() as conn:
            conn.execute(self._begin, prepare=False)
            yield conn

    def close(self) -> None:
        self._pool.close(timeout=5.0)


def upgrade(url: str) -> None:
    """Upgrade the schema to the newest version; if several processes call this at once, one of them upgrades.

    Raises:
        DatabaseUnavailable: as `connect`.
    """
    # Alembic and SQLAlchemy take most of a second to import, and only this function needs them.
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import create_engine, pool
    from sqlalchemy.exc import DBAPIError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    engine = create_engine(
        "postgresql+psycopg://",
        creator=lambda: psycopg.connect(_driver_url(url), **_options("reelq migration") | {"autocommit": False}),
        poolclass=pool.NullPool,
    )
    with _translated(url):
        try:
            with engine.begin() as conn:
                conn.exec_driver_sql(f"{_KEEP_ALIVE}; {_MIGRATION.statements}")
                # The first process migrates, however long it takes; a process that waits here finds nothing left to do.
                conn.exec_driver_sql("SET LOCAL lock_timeout = 0")
                conn.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
                conn.exec_driver_sql(f"SET LOCAL lock_timeout = '{_MIGRATION.lock_s:g}s'")
                config.attributes["connection"] = conn
                command.upgrade(config, "head")
        except DBAPIError as exc:
            raise exc.orig or exc from exc


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
