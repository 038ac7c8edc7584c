"""Translate PostgreSQL's errors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg_pool import PoolTimeout

from storage.faults import Fault


class DatabaseUnavailable(Fault):
    """The database does not respond, or refuses the connection. The text is one line, without the password."""

    code = "database_down"


class LocksHeld(DatabaseUnavailable):
    """A statement waited too long for a lock that another session holds. Nothing was changed; try the transaction
    again."""

    code = "database_slow"


class Unanswered(psycopg.OperationalError):
    """The server did not answer within its own time limit: the connection is dead."""


# psycopg derives the two time limits from InternalError, although they are the client's fault.
_UNAVAILABLE = (
    psycopg.OperationalError,
    psycopg.errors.IdleInTransactionSessionTimeout,
    psycopg.errors.TransactionTimeout,
    psycopg.errors.ReadOnlySqlTransaction,
    psycopg.errors.InsufficientPrivilege,
    psycopg.errors.InvalidSchemaName,
    PoolTimeout,
)
_OTHERS_SESSION = (psycopg.errors.DuplicatePreparedStatement, psycopg.errors.InvalidSqlStatementName)
"""A prepared statement is missing or exists already: a pooler gave the session to another client."""

REPLACE = (Unanswered, psycopg.errors.ReadOnlySqlTransaction, *_OTHERS_SESSION)
"""Faults that all connections of the same age share."""


def first_line(exc: BaseException) -> str:
    """The first line of an error's text."""
    return next((line.strip() for line in str(exc).splitlines() if line.strip()), type(exc).__name__)


def _known(exc: BaseException) -> tuple[str | None, str]:
    """The row of docs/doctor.md for an error, and what to do; None: it has none of its own."""
    text = str(exc)
    match exc:
        case psycopg.errors.ReadOnlySqlTransaction():
            return "database_read_only", (
                "; it is a replica, or read-only: name the primary, or all hosts with target_session_attrs=read-write"
            )
        case psycopg.errors.InsufficientPrivilege():
            return "database_right", "; give the user of database_url this right"
        case psycopg.errors.InvalidSchemaName():
            return None, "; create the schema that search_path names"
        case psycopg.errors.DiskFull():
            return "database_full", "; free space on the disk of the database"
        case psycopg.errors.QueryCanceled():
            return "database_slow", (
                "; it is overloaded, or waits for a lock or for a synchronous replica: look at pg_stat_activity"
            )
    # A connection that is refused has no SQLSTATE, only the server's words.
    if re.search(r"too many (clients|connections)|remaining connection slots|no more connections allowed", text):
        return "database_connections", (
            "; raise max_connections (or the limit of the role or database), or put a pooler in front of it"
        )
    if re.search(r"password authentication failed|no password supplied|role \".*\" does not exist", text):
        return "database_password", "; correct the user or password of database_url"
    if re.search(r"does not support SSL|certificate|no pg_hba.conf entry", text):
        return "database_tls", "; correct sslmode and sslrootcert in database_url, or pg_hba.conf of the server"
    return None, ""


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Translate psycopg's errors about the database at `where`; a fault in a statement of ours is raised unchanged.

    Raises:
        LocksHeld: another session holds a lock that a statement needs.
        DatabaseUnavailable: the database does not respond, or its schema is not up to date.
    """
    try:
        yield
    except psycopg.errors.LockNotAvailable as exc:
        message = "another session holds a lock that this needs; nothing was changed, try again"
        raise LocksHeld(f"database at {where}: {message}") from exc
    except _OTHERS_SESSION as exc:
        message = f'{first_line(exc)}; behind a pooler, set database_prepared_statements = "off"'
        raise DatabaseUnavailable(f"database at {where}: {message}") from exc
    except _UNAVAILABLE as exc:
        code, advice = _known(exc)
        raise DatabaseUnavailable(f"database at {where}: {first_line(exc)}{advice}", code=code) from exc
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as exc:
        message = f"database at {where} is not up to date; run `reelq db upgrade`"
        raise DatabaseUnavailable(message, code="schema_old") from exc
    except psycopg.ProgrammingError as exc:
        if exc.sqlstate is None:  # raised by the driver: a parameter of the URL is invalid
            raise DatabaseUnavailable(f"database_url cannot be used: {first_line(exc)}") from exc
        raise
