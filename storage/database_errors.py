"""Translate PostgreSQL's errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg_pool import PoolTimeout


class DatabaseUnavailable(Exception):
    """The database does not respond, or refuses the connection. The text is one line, without the password."""


class LocksHeld(DatabaseUnavailable):
    """A statement waited too long for a lock that another session holds. Nothing was changed; try the transaction
    again."""


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


def _advice(exc: BaseException) -> str:
    match exc:
        case psycopg.errors.ReadOnlySqlTransaction():
            return (
                "; it is a replica, or read-only: name the primary, or all hosts with target_session_attrs=read-write"
            )
        case psycopg.errors.InsufficientPrivilege():
            return "; give the user of database_url this right"
        case psycopg.errors.InvalidSchemaName():
            return "; create the schema that search_path names"
    return ""


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
        raise DatabaseUnavailable(f"database at {where}: {first_line(exc)}{_advice(exc)}") from exc
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as exc:
        raise DatabaseUnavailable(f"database at {where} is not up to date; run `reelq db upgrade`") from exc
    except psycopg.ProgrammingError as exc:
        if exc.sqlstate is None:  # raised by the driver: a parameter of the URL is invalid
            raise DatabaseUnavailable(f"database_url cannot be used: {first_line(exc)}") from exc
        raise
