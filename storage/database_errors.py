"""What PostgreSQL's errors mean for us."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg_pool import PoolTimeout


class DatabaseUnavailable(Exception):
    """The database does not answer, or refuses us. The text is one line, without the password."""


class LocksHeld(DatabaseUnavailable):
    """Another session holds a lock that a statement needs, for longer than it may wait. Nothing was changed; the same
    transaction may be tried again."""


class Unanswered(psycopg.OperationalError):
    """A connection that said nothing for longer than a server needs for an answer."""


# The two time limits are of psycopg's InternalError, though the server means us.
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
"""Of a prepared statement: a pooler has given the server's session to another client in between."""

REPLACE = (Unanswered, psycopg.errors.ReadOnlySqlTransaction, *_OTHERS_SESSION)
"""What is true of the other connections of the same time as well."""


def first_line(exc: BaseException) -> str:
    """An error's text, in one line."""
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
    """Turn what psycopg raises about the database at `where` into our errors; faults of a statement stay as they are.

    Raises:
        LocksHeld, DatabaseUnavailable: as they say.
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
        if exc.sqlstate is None:  # raised by the driver: a parameter of the URL has no meaning
            raise DatabaseUnavailable(f"database_url cannot be used: {first_line(exc)}") from exc
        raise
