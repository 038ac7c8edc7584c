"""Find psycopg's connection in what callers have: psycopg, or SQLAlchemy on psycopg, with and without asyncio."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import psycopg

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection as AlchemyConnection
    from sqlalchemy.ext.asyncio import AsyncConnection as AlchemyAsyncConnection
    from sqlalchemy.ext.asyncio import AsyncSession, async_scoped_session
    from sqlalchemy.orm import Session, scoped_session

    InTransaction = psycopg.Connection[Any] | AlchemyConnection | Session | scoped_session[Any]
    InAsyncTransaction = (
        psycopg.AsyncConnection[Any] | AlchemyAsyncConnection | AsyncSession | async_scoped_session[Any]
    )


def driver_of(connection: InTransaction) -> psycopg.Connection[Any]:
    """psycopg's connection, in the transaction that the caller will commit.

    Raises:
        TypeError: it is something else, or works only with `AsyncProducer`.
    """
    found: Any = connection
    if _is(found, "sqlalchemy.orm", "Session", "scoped_session"):
        found = found.connection()
    if _is(found, "sqlalchemy.engine", "Connection"):
        if not found.in_transaction():  # SQLAlchemy commits only what it knows to have begun
            found.begin()
        found = found.connection.driver_connection
    if isinstance(found, psycopg.Connection):
        return found
    if isinstance(found, psycopg.AsyncConnection) or _is_async(found):
        raise TypeError(f"connection is {_name(connection)}, which belongs to asyncio; use AsyncProducer")
    raise _unusable(connection, found)


async def async_driver_of(connection: InAsyncTransaction) -> psycopg.AsyncConnection[Any]:
    """The same for asyncio.

    Raises:
        TypeError: it is something else, or works only with `Producer`.
    """
    found: Any = connection
    if _is(found, "sqlalchemy.ext.asyncio", "AsyncSession", "async_scoped_session"):
        found = await found.connection()
    if _is(found, "sqlalchemy.ext.asyncio", "AsyncConnection"):
        if not found.in_transaction():
            await found.begin()
        found = (await found.get_raw_connection()).driver_connection
    if isinstance(found, psycopg.AsyncConnection):
        return found
    if isinstance(found, psycopg.Connection) or _is_blocking(found):
        raise TypeError(f"connection is {_name(connection)}, which blocks; use Producer")
    raise _unusable(connection, found)


def _is_async(found: object) -> bool:
    return _is(found, "sqlalchemy.ext.asyncio", "AsyncSession", "async_scoped_session", "AsyncConnection")


def _is_blocking(found: object) -> bool:
    return _is(found, "sqlalchemy.orm", "Session", "scoped_session") or _is(found, "sqlalchemy.engine", "Connection")


def _is(found: object, module: str, *names: str) -> bool:
    """Whether it is an instance of a class that is loaded: who does not use SQLAlchemy need not wait for its import."""
    loaded = sys.modules.get(module)
    return loaded is not None and isinstance(found, tuple(getattr(loaded, name) for name in names))


def _unusable(connection: object, found: object) -> TypeError:
    via = "" if found is connection else f" on {_name(found)}"
    return TypeError(
        f"connection is {_name(connection)}{via}; give a connection of psycopg 3, or a session or connection of "
        "SQLAlchemy with the driver psycopg (postgresql+psycopg://)"
    )


def _name(found: object) -> str:
    kind = type(found)
    return f"{kind.__module__}.{kind.__qualname__}"
