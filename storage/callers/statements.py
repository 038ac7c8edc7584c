"""The connection that statements of ours see: it sends each one with a cursor of its own.

A caller's connection has row factories, cursors and adapters that we know nothing of. Here, results come in the binary
format, which does not depend on the session's forms of times, and nothing is prepared, because a pooler may be in
between.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Self, TypeVar, cast

import psycopg
from psycopg.adapt import AdaptersMap
from psycopg.postgres import register_default_adapters, register_default_types
from psycopg.rows import tuple_row
from psycopg.types.array import register_all_arrays

from storage.database import Connection

T = TypeVar("T")
Await = Callable[[Coroutine[Any, Any, Any]], Any]
"""Waits for a coroutine, from code that is not one."""

_ADAPTERS = AdaptersMap()
register_default_types(_ADAPTERS.types)
register_default_adapters(_ADAPTERS)
register_all_arrays(_ADAPTERS)


class _Cursor(psycopg.Cursor[Any]):
    @property
    def adapters(self) -> AdaptersMap:
        return _ADAPTERS


class _AsyncCursor(psycopg.AsyncCursor[Any]):
    @property
    def adapters(self) -> AdaptersMap:
        return _ADAPTERS


Fetched = tuple[list[Any], int]
"""Rows, and the number of rows that the statement returned or changed."""
Send = Callable[[Any, Any, Any, bool], Fetched]
"""Sends a statement: query, parameters, row factory, and whether results come in the binary format."""


def sender(conn: psycopg.Connection[Any]) -> Send:
    """Sends on a connection that blocks."""

    def send(query: Any, parameters: Any, rows: Any, binary: bool) -> Fetched:
        with _Cursor(conn, row_factory=rows) as cursor:
            cursor.execute(query, parameters, prepare=False, binary=binary)
            while cursor.description is None and cursor.nextset():
                pass
            return ([] if cursor.description is None else cursor.fetchall()), cursor.rowcount

    return send


def async_sender(conn: psycopg.AsyncConnection[Any], wait: Await) -> Send:
    """Sends on a connection of asyncio."""

    async def fetch(query: Any, parameters: Any, rows: Any, binary: bool) -> Fetched:
        async with _AsyncCursor(conn, row_factory=rows) as cursor:
            await cursor.execute(query, parameters, prepare=False, binary=binary)
            while cursor.description is None and cursor.nextset():
                pass
            return ([] if cursor.description is None else await cursor.fetchall()), cursor.rowcount

    def send(query: Any, parameters: Any, rows: Any, binary: bool) -> Fetched:
        return cast(Fetched, wait(fetch(query, parameters, rows, binary)))

    return send


class _Result:
    """What one statement returned; as a cursor, it sends others."""

    rowcount = -1

    def __init__(self, send: Send, row_factory: Any) -> None:
        self._send, self._row_factory = send, row_factory
        self._rows: Iterator[Any] = iter(())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def execute(self, query: Any, params: Any = None, *, prepare: bool | None = None) -> Self:
        rows, self.rowcount = self._send(query, params, self._row_factory, True)
        self._rows = iter(rows)
        return self

    def fetchone(self) -> Any:
        return next(self._rows, None)

    def fetchall(self) -> list[Any]:
        return list(self._rows)

    def __iter__(self) -> Iterator[Any]:
        return self._rows


class _Facade:
    """As much of psycopg's connection as `storage` uses in a write."""

    def __init__(self, send: Send) -> None:
        self._send = send

    def cursor(self, *, row_factory: Any = tuple_row) -> _Result:
        return _Result(self._send, row_factory)

    def execute(self, query: Any, params: Any = None, *, prepare: bool | None = None) -> _Result:
        return self.cursor().execute(query, params)


def facade(send: Send) -> Connection:
    """A connection for `storage`'s functions."""
    return cast(Connection, _Facade(send))
