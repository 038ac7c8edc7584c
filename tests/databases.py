"""Databases for tests. A migrated one is cleaned and used again: to create and drop one takes 0.1 s of CPU and more."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, LiteralString
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import errors, sql

from storage.database import upgrade

TEMPLATE = "template_reelq"

_CLIENTS = "SELECT FROM pg_stat_activity WHERE datname = {}"
_END_CLIENTS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {}"
# PostgreSQL waits 0.1 s before it looks again whether a client has gone, which takes it a few milliseconds.
_LOOK_S = 0.002
_CLOSING_S, _ENDED_S = 0.1, 5.0
"""How long clients get to leave by themselves, and how long those that are ended."""
# Each change of the schema or of a database's settings writes rows here. TRUNCATE does not.
_CATALOGS = (
    *("pg_attribute", "pg_attrdef", "pg_constraint", "pg_depend", "pg_enum", "pg_extension", "pg_index", "pg_policy"),
    *("pg_proc", "pg_rewrite", "pg_trigger", "pg_type"),
)
_SHAPE = " UNION ALL ".join(
    [
        *(f"SELECT count(*), sum(xmin::text::bigint) FROM {name}" for name in _CATALOGS),
        """SELECT datconnlimit, (SELECT count(*) FROM pg_db_role_setting WHERE setdatabase = oid)
           FROM pg_database WHERE datname = current_database()""",
    ]
)
_WRITTEN = """SELECT relname, pg_relation_size(oid) FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND pg_relation_size(oid) > 0"""
# TRUNCATE makes new files for a table and each of its indexes; to delete the few rows of a test takes a third of it.
_SMALL_BYTES = 64 * 2**10
# No trigger runs, and no foreign key is checked: every table with rows is cleaned.
_NO_TRIGGERS = "SET session_replication_role = replica"
# As TRUNCATE does: with the size that an analysis of an earlier test has noted, plans would depend on that test.
_FORGET_SIZES = """SELECT pg_clear_relation_stats('public', relname) FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relname = ANY(%s) AND reltuples >= 0"""
_RESTART_SEQUENCES = """SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false)
    FROM pg_sequences WHERE last_value IS NOT NULL"""


class Databases:
    """The databases of one server: a migrated template, its copies, and empty ones."""

    def __init__(self, url: str) -> None:
        """`url`: the server's own database, as a superuser."""
        self._url = url
        self._kept: psycopg.Connection | None = None
        self._free: list[str] = []
        self._seeds: dict[str, bytes] = {}
        self._shape: list[Any] = []

    def close(self) -> None:
        """Close the connection to the server's own database."""
        if self._kept is not None:
            self._kept.close()

    def url_of(self, name: str) -> str:
        """The URL of a database."""
        return urlunsplit(urlsplit(self._url)._replace(path=f"/{name}"))

    def make_template(self) -> None:
        """Migrate one database, which the tests copy."""
        self._execute("CREATE DATABASE {}", TEMPLATE)
        upgrade(self.url_of(TEMPLATE))
        with psycopg.connect(self.url_of(TEMPLATE), autocommit=True) as conn:
            self._seeds = {table: _content(conn, table) for table in _written(conn)}
            self._shape = conn.execute(_SHAPE).fetchall()

    @contextmanager
    def database(self, *, migrated: bool) -> Iterator[str]:
        """A database with a new name, as its migrations leave it, or empty. At the end it is taken away, even from
        connected clients, who cannot find it again."""
        name = f"test_{secrets.token_hex(6)}"
        if migrated and self._free:
            self._execute("ALTER DATABASE {} RENAME TO {}", self._free.pop(), name)
        else:
            template = TEMPLATE if migrated else "template0"
            self._execute("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy", name, template)
        try:
            yield self.url_of(name)
        finally:
            if migrated:
                self._take_back(name)
            else:
                self._drop(name)

    def _take_back(self, name: str) -> None:
        """Clean a database for the next test, or drop it if that cannot be done, as when its schema was changed."""
        hidden = f"free_{secrets.token_hex(6)}"
        try:
            if not self._is_left(name, _CLOSING_S):
                self._execute(_END_CLIENTS, sql.Literal(name))
                self._is_left(name, _ENDED_S)
            self._execute("ALTER DATABASE {} RENAME TO {}", name, hidden)
        except (errors.ObjectInUse, errors.InvalidCatalogName):
            self._drop(name)
            return
        try:
            with psycopg.connect(self.url_of(hidden), autocommit=True) as conn:
                fit = conn.execute(_SHAPE).fetchall() == self._shape
                if fit:
                    self._clean(conn)
        except psycopg.OperationalError:
            fit = False
        if fit:
            self._is_left(hidden, _CLOSING_S)
            self._free.append(hidden)
        else:
            self._drop(hidden)

    def _is_left(self, name: str, within_s: float) -> bool:
        """Wait until a database has no client, and tell whether it has none."""
        until = time.monotonic() + within_s
        while self._execute(_CLIENTS, sql.Literal(name)).fetchone() is not None:
            if time.monotonic() > until:
                return False
            time.sleep(_LOOK_S)
        return True

    def _clean(self, conn: psycopg.Connection) -> None:
        written = _written(conn)
        kept = {table for table in self._seeds if table in written and _content(conn, table) == self._seeds[table]}
        changed = written.keys() - kept
        if large := [table for table in changed if written[table] > _SMALL_BYTES]:
            conn.execute(sql.SQL("TRUNCATE {} CASCADE").format(sql.SQL(", ").join(map(sql.Identifier, large))))
        if changed:
            deletes = [sql.SQL("DELETE FROM {}").format(sql.Identifier(table)) for table in sorted(changed)]
            conn.execute(sql.SQL("; ").join([sql.SQL(_NO_TRIGGERS), *deletes]))
            conn.execute(_FORGET_SIZES, [sorted(changed)])
        for table in self._seeds.keys() - kept:
            with conn.cursor() as cursor, cursor.copy(_copy("COPY {} FROM STDIN", table)) as copy:
                copy.write(self._seeds[table])
        conn.execute(_RESTART_SEQUENCES)

    def _drop(self, name: str) -> None:
        self._execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)

    def _execute(self, statement: LiteralString, *parts: str | sql.Literal) -> psycopg.Cursor[Any]:
        """Execute a statement with these names and values in it."""
        command = sql.SQL(statement).format(
            *(sql.Identifier(part) if isinstance(part, str) else part for part in parts)
        )
        conn = self._connection()
        try:
            return conn.execute(command)
        except psycopg.OperationalError:
            if not conn.closed:
                raise
            return self._connection().execute(command)  # the server was started again since the last command

    def _connection(self) -> psycopg.Connection:
        if self._kept is None or self._kept.closed:
            self._kept = psycopg.connect(self._url, autocommit=True)
        return self._kept


def _written(conn: psycopg.Connection) -> dict[str, int]:
    """The tables that have had rows since they were last truncated, and the size of each in bytes."""
    return dict(conn.execute(_WRITTEN).fetchall())


def _content(conn: psycopg.Connection, table: str) -> bytes:
    """A table's rows in COPY's form."""
    with conn.cursor() as cursor, cursor.copy(_copy("COPY {} TO STDOUT", table)) as copy:
        return b"".join(bytes(block) for block in copy)


def _copy(statement: LiteralString, table: str) -> sql.Composed:
    return sql.SQL(statement).format(sql.Identifier(table))
