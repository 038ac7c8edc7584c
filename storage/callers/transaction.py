"""One write of ours inside a caller's transaction: all of it or nothing, and the transaction stays usable."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import psycopg
from psycopg import sql
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row

from storage.callers.bridge import run_bridged
from storage.callers.statements import Send, async_sender, facade, sender
from storage.database import Connection
from storage.database_errors import DatabaseUnavailable

T = TypeVar("T")
Write = Callable[[Connection], T]

_MISSING = (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn, psycopg.errors.InvalidSchemaName)


def write_in(conn: psycopg.Connection[Any], search_path: str, write: Write[T]) -> T:
    """Run `write` in the transaction that `conn` is in, or begins; commits with it and is rolled back with it.

    A savepoint is around it: when it fails, nothing of it remains, and the transaction can go on. The caller's own
    `search_path` is back afterwards; no other setting is touched.

    Raises:
        ValueError: the connection commits each statement by itself.
        DatabaseUnavailable: reelq's tables are not in the connection's database, or are not up to date.
        psycopg.Error: as for the caller's own statements.
    """
    _require_transaction(conn)
    return _write(sender(conn), search_path, write)


async def write_in_async(conn: psycopg.AsyncConnection[Any], search_path: str, write: Write[T]) -> T:
    """The same on a connection of asyncio; other tasks run while it waits.

    Raises:
        ValueError, DatabaseUnavailable, psycopg.Error: as `write_in`.
    """
    _require_transaction(conn)
    return await run_bridged(lambda wait: _write(async_sender(conn, wait), search_path, write))


def _require_transaction(conn: psycopg.Connection[Any] | psycopg.AsyncConnection[Any]) -> None:
    if conn.autocommit and conn.info.transaction_status == TransactionStatus.IDLE:
        raise ValueError(
            "connection is in autocommit mode and in no transaction, so its jobs could not be rolled back; begin a "
            "transaction first, or leave out `connection`"
        )


def _write(send: Send, search_path: str, write: Write[T]) -> T:
    before = _enter(send, search_path)
    try:
        result = write(facade(send))
    except BaseException as exc:
        with suppress(psycopg.Error):  # the connection is lost, and the transaction with it
            _tell(send, sql.SQL("ROLLBACK TO SAVEPOINT reelq; RELEASE SAVEPOINT reelq"))
        if isinstance(exc, _MISSING):
            message = "`connection` is to a database without reelq's tables, or they need `reelq db upgrade`"
            raise DatabaseUnavailable(f"{message}: {exc.diag.message_primary}") from exc
        raise
    back = sql.SQL("SELECT set_config('search_path', {}, true); RELEASE SAVEPOINT reelq").format(sql.Literal(before))
    _tell(send, back)
    return result


def _enter(send: Send, search_path: str) -> str:
    """Set the savepoint and our search path; return the caller's. The caller may have a table `jobs` of its own."""
    begin = sql.SQL(
        "SAVEPOINT reelq; SELECT current_setting('search_path'); SELECT set_config('search_path', {}, true)"
    ).format(sql.Literal(search_path))
    rows, _ = _tell(send, begin)
    return str(rows[0][0])


def _tell(send: Send, statements: sql.Composed | sql.SQL) -> tuple[list[Any], int]:
    """Several statements in one message, which only the text format has."""
    return send(statements, None, tuple_row, False)
