"""Connect to PostgreSQL, and upgrade its schema."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool

from storage.database_errors import REPLACE, DatabaseUnavailable, LocksHeld, translated
from storage.database_session import Prepared, Session, introduce
from storage.database_url import DatabaseUrl, UnusableUrl, parse_database_url
from storage.forks import renew_after_fork

__all__ = ["DatabaseUnavailable", "LocksHeld"]

CONNECT_TIMEOUT_S = 5
RECONNECT_S = 3.0
ANSWER_S = 5.0
"""How long to wait for an answer after the time limit of a statement. A live server would have reported the time limit,
so a connection that is still silent is dead, although it was never closed."""
BEGIN_S = 10.0
"""How long to wait for the answer to a BEGIN, which takes no time on a live server."""
IDLE_S, CHECK_S = 5.0, 3.0
"""A connection that was idle for longer than `IDLE_S` is checked before use, and must answer within `CHECK_S`."""
MIN_VERSION = 15
_ENCODINGS = ("UTF8", "SQL_ASCII")

Connection = psycopg.Connection[TupleRow]


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

        A transaction pooler shares sessions with other clients, and some poolers refuse connection options. They also
        set the forms of times that psycopg reads, whatever the database's own forms are.
        """
        limits = {"lock": self.lock_s, "idle_in_transaction_session": self.idle_s, "statement": self.statement_s}
        found = [f"SET LOCAL {name}_timeout = {round(seconds * 1000)}" for name, seconds in limits.items()]
        forms = ("TIME ZONE 'UTC'", "datestyle = 'ISO'", "intervalstyle = 'postgres'")
        return "; ".join([*(f"SET LOCAL {form}" for form in forms), *found])

    @property
    def answer_s(self) -> float | None:
        """Seconds to wait for the answer to one statement; None: no limit."""
        return self.statement_s + ANSWER_S if self.statement_s else None


DEFAULT_LIMITS = Limits()
PROMPT = Limits(statement_s=20.0)
"""For long-lived processes, whose statements take milliseconds: a silently dropped connection is noticed within half a
minute."""
BULK = Limits(lock_s=60.0, idle_s=60.0)
"""For transactions that store many jobs at once: they hold no lock that a scheduler or a worker waits for, but wait for
each other."""
_MIGRATION = Limits(lock_s=60.0, idle_s=60.0, statement_s=0.0)


# PostgreSQL knows it from 17 on. It would end an upgrade that builds an index on a large table.
_NO_LIMIT: LiteralString = "; SELECT set_config(name, '0', true) FROM pg_settings WHERE name = 'transaction_timeout'"
_IN_ORDER: LiteralString = (
    "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off"
)
_IN_ANY_ORDER: LiteralString = (
    "SET LOCAL enable_seqscan = DEFAULT; SET LOCAL enable_bitmapscan = DEFAULT; SET LOCAL enable_sort = DEFAULT"
)
# A plan that leaps through an index is estimated as if it read all of it: 100 to 10,000 times its cost. PostgreSQL with
# LLVM would compile it to machine code, again at each run, which takes longer than to run it.
_NOT_COMPILED: LiteralString = "SET LOCAL jit = off; "
# PostgreSQL plans a prepared statement for its values five times, and again each time if a plan for all values seems a
# little dearer. To plan a statement takes up to 1.5 ms, as long as to run it for a batch. But a plan made for a small
# table is kept while 100,000 rows come into it, until it has new statistics. So no such plan may read a table whole.
# And each finds its rows in the order of an index, which a bitmap would read to the end and sort.
_PLANNED_ONCE = (
    b"; SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL enable_seqscan = off"
    b"; SET LOCAL enable_bitmapscan = off"
)
_SCHEMAS = """SELECT string_agg(quote_ident(name), ', ' ORDER BY place)
FROM unnest(current_schemas(false)) WITH ORDINALITY AS found(name, place)"""


def limit(conn: Connection, limits: Limits) -> None:
    """Set other limits for the rest of the transaction."""
    conn.execute(limits.statements, prepare=False)
    if isinstance(conn, Session):
        conn.answer_s = limits.answer_s


def read_in_order(conn: Connection) -> None:
    """Read only by indexes, in their order, for the rest of the transaction.

    Without statistics, or with those of a table that was small, PostgreSQL would read and sort all rows.
    """
    conn.execute(_IN_ORDER, prepare=False)


@contextmanager
def reading_in_order(conn: Connection) -> Iterator[None]:
    """The same for what runs inside; not in a transaction whose statements are planned once."""
    read_in_order(conn)
    yield
    conn.execute(_IN_ANY_ORDER, prepare=False)  # not after an error: the rollback does it


def _begin(conn: Connection, begin: bytes, limits: Limits) -> None:
    """Begin a transaction with these limits."""
    if isinstance(conn, Session):
        conn.answer_s = min(BEGIN_S, limits.answer_s or BEGIN_S)
    conn.execute(begin, prepare=False)
    if isinstance(conn, Session):
        conn.answer_s = limits.answer_s


def _beginning(target: DatabaseUrl, limits: Limits) -> bytes:
    """The statements that begin a transaction: one message. Claims rely on this isolation level."""
    begin = sql.SQL("BEGIN ISOLATION LEVEL READ COMMITTED; " + _NOT_COMPILED + limits.statements)
    return (begin + _search_path(target)).as_bytes()


def _search_path(target: DatabaseUrl) -> sql.Composable:
    if target.search_path is None:
        return sql.SQL("")
    # SET LOCAL would read a quoted list of schemas as one name.
    return sql.SQL("; SELECT set_config('search_path', {}, true)").format(sql.Literal(target.search_path))


def _read(url: str) -> DatabaseUrl:
    try:
        return parse_database_url(url)
    except UnusableUrl as exc:
        raise DatabaseUnavailable(f"database_url cannot be used: {exc}") from exc


@contextmanager
def connect(url: str, name: str = "reelq") -> Iterator[Connection]:
    """One transaction on its own connection; commits at the end, rolls back on an exception.

    Raises:
        LocksHeld: another session holds a lock that a statement needs.
        DatabaseUnavailable: the database does not respond, or its schema is not up to date.
    """
    target = _read(url)
    conninfo = target.conninfo(name, CONNECT_TIMEOUT_S)
    with translated(target.where), Session.connect(conninfo, autocommit=True, prepare_threshold=None) as conn:
        introduce(conn, "off")  # a statement that runs once or twice is not worth preparing
        _begin(conn, _beginning(target, DEFAULT_LIMITS), DEFAULT_LIMITS)
        yield conn


class _Pool(ConnectionPool[Session]):
    """A pool that a child process leaves alone: its threads are the parent's, and its locks may be held for ever."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._process = os.getpid()

    def __del__(self) -> None:
        if getattr(self, "_process", None) == os.getpid():
            super().__del__()


class Database:
    """A pool of connections for a long-lived process; opens them on first use. A forked child has a pool of its own."""

    def __init__(
        self,
        url: str,
        *,
        name: str,
        size: int,
        wait_s: float = 30.0,
        limits: Limits = PROMPT,
        prepared: Prepared = "auto",
        on_due: Callable[[Collection[str]], None] | None = None,
    ) -> None:
        """`on_due` is called after the commit of a transaction that made work due; see `storage.waking.hints`.

        Raises:
            DatabaseUnavailable: the URL cannot be read.
        """
        self.url = url
        self._name, self._size, self._wait_s = name, size, wait_s
        self._target = _read(url)
        self._limits = limits
        self._beginnings: dict[Limits, bytes] = {}
        self._prepared = prepared
        self._on_due = on_due
        self._trusted_since = 0.0
        self._search_path: str | None = None
        self._pool = self._new_pool()
        renew_after_fork(self)

    def after_fork(self) -> None:
        """Leave the parent's connections to the parent: closing one here would end its session."""
        self._pool = self._new_pool()

    def _new_pool(self) -> _Pool:
        return _Pool(
            self._target.conninfo(self._name, CONNECT_TIMEOUT_S),
            connection_class=Session,
            kwargs={"autocommit": True},  # `_begin` begins transactions
            min_size=0,
            max_size=self._size,
            timeout=self._wait_s,
            max_idle=60.0,
            # The pool doubles its pauses while it tries to reconnect. A short limit makes it start again with a short
            # pause, so that work continues soon after a long outage.
            reconnect_timeout=RECONNECT_S,
            configure=lambda conn: introduce(conn, self._prepared),
            check=self._check,
            open=False,
        )

    @contextmanager
    def begin(self, *, planned_once: bool = False, limits: Limits | None = None) -> Iterator[Connection]:
        """A transaction; commits at the end, rolls back on an exception. `limits`: other ones than usual.

        `planned_once`: its statements run again and again and find their rows by ids or in the order of an index, so
        each connection plans them once, for all values. To look up ids that come with other values, as in a join, they
        name the ids as an array (`id = ANY(…)`) as well: else PostgreSQL may read an index from end to end.

        Raises:
            LocksHeld, DatabaseUnavailable: as `connect`.
        """
        self._pool.open()
        due: set[str] | None = None if self._on_due is None else set()
        limits = limits or self._limits
        beginning = self._beginnings.get(limits)
        if beginning is None:
            beginning = self._beginnings[limits] = _beginning(self._target, limits)
        with translated(self._target.where), self._noticed(), self._pool.connection() as conn:
            _begin(conn, beginning + _PLANNED_ONCE if planned_once else beginning, limits)
            conn.due = due
            try:
                with conn.preparing_at_once() if planned_once else nullcontext():
                    yield conn
            finally:
                conn.used_at, conn.due = time.monotonic(), None
        if self._on_due is not None and due:
            self._on_due(due)

    def search_path(self) -> str:
        """The schemas that our statements search, as PostgreSQL writes them. Temporary tables come last.

        Raises:
            DatabaseUnavailable: as `begin`.
        """
        if self._search_path is None:
            with self.begin() as conn:
                row = conn.execute(_SCHEMAS).fetchone()
            self._search_path = "pg_temp" if row is None or row[0] is None else f"{row[0]}, pg_temp"
        return self._search_path

    @contextmanager
    def _noticed(self) -> Iterator[None]:
        """Replace all connections when one shows a fault that the others of the same age share. Otherwise each of them
        would cost the same time again."""
        try:
            yield
        except REPLACE as exc:
            self._trusted_since = time.monotonic()
            if isinstance(exc, psycopg.ProgrammingError):
                self._prepared = "off"
            raise

    def _check(self, conn: Session) -> None:
        """Check that a connection is not older than a known fault, and that the server has not closed it.

        A closed connection has bytes to read, so only a connection with bytes to read is checked over the network, or
        one that was idle long enough to be dropped silently.
        """
        if conn.opened_at < self._trusted_since:
            conn.close()
            raise psycopg.OperationalError("the connection is older than the last failure")
        poll = select.poll()
        poll.register(conn.fileno(), select.POLLIN)
        if poll.poll(0) or time.monotonic() - conn.used_at > IDLE_S:
            conn.answer_s = CHECK_S
            with self._noticed():
                ConnectionPool.check_connection(conn)

    def close(self) -> None:
        self._pool.close(timeout=5.0)


def upgrade(url: str) -> None:
    """Upgrade the schema to the newest version; if several processes call this at once, one of them upgrades.

    A schema that is newer than this program, and fits it, stays as it is.

    Raises:
        LocksHeld: another session has held a lock that a migration needs for very long. The migrations before it are
            done; the next upgrade continues.
        DatabaseUnavailable: as `connect`; or the schema is newer than this program and does not fit it.
    """
    from storage.upgrades.steps import Server, upgrade_schema  # Alembic takes most of a second to import

    target = _read(url)
    path = _search_path(target)
    server = Server(
        conninfo=target.conninfo("reelq migration", CONNECT_TIMEOUT_S),
        build=sql.SQL(Limits(idle_s=0, statement_s=0).statements + _NO_LIMIT) + path,
        migrate=sql.SQL(_MIGRATION.statements + _NO_LIMIT) + path,
        check=lambda conn: _check_fit(conn, target),
    )
    with translated(target.where):
        upgrade_schema(server)


def _check_fit(conn: Connection, target: DatabaseUrl) -> None:
    """Refuse a server or an encoding that cannot store jobs, and create the schema that the URL names."""
    version = conn.info.server_version // 10000
    if version < MIN_VERSION:
        raise DatabaseUnavailable(
            f"database at {target.where} is PostgreSQL {version}; reelq needs {MIN_VERSION} or later",
            code="database_version",
        )
    row = conn.execute("SELECT current_setting('server_encoding')").fetchone()
    if row is None or row[0] not in _ENCODINGS:
        raise DatabaseUnavailable(
            f"database at {target.where} has the encoding {row and row[0]}, which cannot hold every prompt; "
            "create it with ENCODING 'UTF8' TEMPLATE template0"
        )
    if target.schema is not None:  # if it is missing, PostgreSQL creates tables in the next schema that exists
        found = conn.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", [target.schema]).fetchone()
        if found is None:
            conn.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(target.schema)))
