"""One connection to PostgreSQL: a limit on its silence, and the setup of a new one."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar

import psycopg
from psycopg.abc import Buffer, PQGen
from psycopg.adapt import Loader
from psycopg.rows import TupleRow
from psycopg.types.json import set_json_loads

from storage.database_errors import Unanswered
from storage.database_lists import FlatLists
from storage.database_url import KEEPALIVE_COUNT, KEEPALIVE_IDLE_S, KEEPALIVE_INTERVAL_S, TCP_USER_TIMEOUT_MS
from storage.jsonb import loads

Prepared = Literal["auto", "off"]
PREPARE_AFTER = 1
"""A connection prepares a statement when it runs it a second time. The largest take PostgreSQL 2 ms to read and to plan
each time, and 0.1 ms once they are prepared and have a plan for all values; psycopg's default is 5."""
FIRST_ANSWER_S = 20.0
FIRST_DAY, LAST_DAY = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)

RV = TypeVar("RV")
_AFTER_9999 = re.compile(r"\d{5,}-\d\d-\d\d ")

_KNOW_US = """
SELECT set_config('tcp_keepalives_idle', %(idle)s, false), set_config('tcp_keepalives_interval', %(interval)s, false),
       set_config('tcp_keepalives_count', %(count)s, false), set_config('tcp_user_timeout', %(user)s, false)
WHERE pg_backend_pid() = %(pid)s
"""


class Session(psycopg.Connection[TupleRow]):
    """A connection that does not wait forever. A live server answers, or reports that a time limit is over."""

    answer_s: float | None = FIRST_ANSWER_S
    """Seconds to wait for the answer to one statement; None: no limit."""
    opened_at: float = 0.0
    """When it was opened (`time.monotonic`)."""
    used_at: float = 0.0
    """When it was last used (`time.monotonic`)."""
    due: set[str] | None = None
    """What the transaction makes due; see `storage.waking.hints`. None: nothing wants to know."""

    @contextmanager
    def preparing_at_once(self) -> Iterator[None]:
        """Prepare statements when they run for the first time, unless this connection prepares none."""
        usual = self.prepare_threshold
        self.prepare_threshold = None if usual is None else 0
        try:
            yield
        finally:
            self.prepare_threshold = usual

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        limit = self.answer_s if timeout is None else timeout
        try:
            return super().wait(gen, interval, limit)
        except psycopg.errors._WaitTimeout as exc:  # raised for `timeout`, which psycopg documents
            if timeout is not None:
                raise
            # Close it here: a rollback would wait for the same time again.
            self.pgconn.finish()
            raise Unanswered(f"the server did not answer within {limit:g} s; the connection was dropped") from exc


class Moments(Loader):
    """Reads a `timestamptz`. Other programs may store what Python has no time for: it is read as the first or the last
    day that Python has, so that one such row does not make all others unreadable."""

    def load(self, data: Buffer) -> datetime:
        text = bytes(data).decode()
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            if text == "-infinity" or text.endswith(" BC"):
                return FIRST_DAY
            if text == "infinity" or _AFTER_9999.match(text):
                return LAST_DAY
            raise psycopg.DataError(f"cannot read the time {text!r}: DateStyle must be ISO") from None


def introduce(conn: psycopg.Connection[Any], prepared: Prepared) -> None:
    """Set up a new connection: the keepalive of the server, so that it notices a vanished client as fast as we notice a
    vanished server, the readers of times and JSON, how lists are written, and prepared statements.

    A pooler gives its clients a process id of its own. Behind a pooler a session goes to other clients too, so nothing
    is set or prepared in it.
    """
    values = {
        "idle": str(KEEPALIVE_IDLE_S),
        "interval": str(KEEPALIVE_INTERVAL_S),
        "count": str(KEEPALIVE_COUNT),
        "user": str(TCP_USER_TIMEOUT_MS),
        "pid": conn.info.backend_pid,
    }
    direct = conn.execute(_KNOW_US, values, prepare=False).fetchone() is not None
    # Of this connection alone: a backend has psycopg connections of its own.
    conn.adapters.register_loader("timestamptz", Moments)
    set_json_loads(loads, conn)
    conn.adapters.register_dumper(list, FlatLists)
    conn.prepare_threshold = PREPARE_AFTER if direct and prepared == "auto" else None
    if isinstance(conn, Session):
        conn.opened_at = conn.used_at = time.monotonic()
