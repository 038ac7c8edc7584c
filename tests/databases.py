"""Databases for tests. A migrated one is cleaned and used again: to create and drop one takes 0.1 s of CPU and more."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, LiteralString
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import errors, sql

from storage.database import upgrade

TEMPLATE = "template_reelq"

_END_CLIENTS = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s"
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
_WRITTEN = """SELECT relname FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND pg_relation_size(oid) > 0"""
_RESTART_SEQUENCES = """SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false)
    FROM pg_sequences WHERE last_value IS NOT NULL"""


class Databases:
    """The databases of one server: a migrated template, its copies, and empty ones."""

    def __init__(self, url: str) -> None:
        """`url`: the server's own database, as a superuser."""
        self._url = url
        self._free: list[str] = []
        self._seeds: dict[str, bytes] = {}
        self._shape: list[Any] = []

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
            if not migrated or not self._take_back(name):
                self._execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)

    def _take_back(self, name: str) -> bool:
        """Clean a database for the next test; False if that cannot be done, for example as its schema was changed."""
        try:
            with psycopg.connect(self.url_of(name), autocommit=True) as conn:
                if conn.execute(_SHAPE).fetchall() != self._shape:
                    return False
            hidden = f"free_{secrets.token_hex(6)}"
            with psycopg.connect(self._url, autocommit=True) as conn:
                conn.execute(_END_CLIENTS, [name])
                conn.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(*map(sql.Identifier, (name, hidden))))
        except (errors.ObjectInUse, errors.InvalidCatalogName, psycopg.OperationalError):
            return False
        with psycopg.connect(self.url_of(hidden), autocommit=True) as conn:
            self._clean(conn)
        self._free.append(hidden)
        return True

    def _clean(self, conn: psycopg.Connection) -> None:
        written = _written(conn)
        kept = {table for table in self._seeds if table in written and _content(conn, table) == self._seeds[table]}
        if changed := [table for table in written if table not in kept]:
            conn.execute(sql.SQL("TRUNCATE {} CASCADE").format(sql.SQL(", ").join(map(sql.Identifier, changed))))
        for table in self._seeds.keys() - kept:
            with conn.cursor() as cursor, cursor.copy(_copy("COPY {} FROM STDIN", table)) as copy:
                copy.write(self._seeds[table])
        conn.execute(_RESTART_SEQUENCES)

    def _execute(self, statement: LiteralString, *names: str) -> None:
        with psycopg.connect(self._url, autocommit=True) as conn:
            conn.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def _written(conn: psycopg.Connection) -> list[str]:
    """The tables that have had rows since they were last truncated."""
    return [row[0] for row in conn.execute(_WRITTEN)]


def _content(conn: psycopg.Connection, table: str) -> bytes:
    """A table's rows in COPY's form."""
    with conn.cursor() as cursor, cursor.copy(_copy("COPY {} TO STDOUT", table)) as copy:
        return b"".join(bytes(block) for block in copy)


def _copy(statement: LiteralString, table: str) -> sql.Composed:
    return sql.SQL(statement).format(sql.Identifier(table))
