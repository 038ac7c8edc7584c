"""Which schema the database has, which one this program is written for, and whether the two fit.

Programs of two releases run side by side during a rollout. A migration that only adds says in `oldest_program` which
older programs can work on its schema; `storage.database.upgrade` keeps the answer in the database, where those programs
read it. A migration that says nothing fits only programs that know it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, LiteralString

import psycopg

from storage.database_errors import DatabaseUnavailable

MIGRATIONS = Path(__file__).parent / "migrations"
_KEEP: LiteralString = """
INSERT INTO schema_compatibility (oldest_program) VALUES (%(oldest)s)
ON CONFLICT (one) DO UPDATE SET oldest_program = excluded.oldest_program
"""


def newest_revision() -> str:
    """The revision that this program is written for."""
    revisions = sorted(path.name.split("_", 1)[0] for path in (MIGRATIONS / "versions").glob("[0-9]*_*.py"))
    return revisions[-1]


def current_revision(conn: psycopg.Connection[Any]) -> str | None:
    """The schema's revision, None before the first migration."""
    return _value_of(conn, "alembic_version", "SELECT version_num FROM alembic_version")


def oldest_program(conn: psycopg.Connection[Any]) -> str | None:
    """The oldest program that can work on this schema, by the revision that it is written for; None: not known."""
    return _value_of(conn, "schema_compatibility", "SELECT oldest_program FROM schema_compatibility")


def keep_oldest_program(conn: psycopg.Connection[Any], revision: str) -> None:
    """Record which programs can work on the schema from now on; migrations before 0033 have no table for it."""
    row = conn.execute("SELECT to_regclass('schema_compatibility') IS NOT NULL").fetchone()
    if row is not None and row[0]:
        conn.execute(_KEEP, {"oldest": revision})


def check_schema(conn: psycopg.Connection[Any]) -> str:
    """Check that this program can work on the schema. Returns the schema's revision, which may be newer than ours.

    Raises:
        DatabaseUnavailable: it cannot. The text says which of the two to upgrade.
    """
    found, newest = current_revision(conn), newest_revision()
    if found is None or found < newest:
        raise DatabaseUnavailable(
            f"the schema is {found or 'empty'}, not {newest}; run `reelq db upgrade`", code="schema_old"
        )
    if (unfit := too_old(conn)) is not None:
        raise DatabaseUnavailable(unfit, code="schema_new")
    return found


def too_old(conn: psycopg.Connection[Any]) -> str | None:
    """Why this program must leave a newer schema alone, and what to do; None: it need not, or no schema is newer."""
    found, newest = current_revision(conn), newest_revision()
    if found is None or found <= newest:
        return None
    oldest = oldest_program(conn)
    if oldest is not None and newest >= oldest:
        return None
    return (
        f"this program is older than the schema: it knows revision {newest}, the schema is {found} and needs "
        f"{oldest or found} or later; install the newer reelq here, the one that the other parts run"
    )


def _value_of(conn: psycopg.Connection[Any], table: str, query: LiteralString) -> str | None:
    row = conn.execute("SELECT to_regclass(%s) IS NOT NULL", [table]).fetchone()
    if row is None or not row[0]:
        return None
    row = conn.execute(query).fetchone()
    return None if row is None else str(row[0])
