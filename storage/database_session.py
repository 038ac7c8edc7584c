"""One connection to PostgreSQL: how long it may be silent, and what stands between it and the server."""

from __future__ import annotations

import time
from typing import Any, Literal, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.rows import TupleRow

from storage.database_errors import Unanswered
from storage.database_url import KEEPALIVE_COUNT, KEEPALIVE_IDLE_S, KEEPALIVE_INTERVAL_S, TCP_USER_TIMEOUT_MS

Prepared = Literal["auto", "off"]
PREPARE_AFTER = 5
"""How often a statement is sent before it is prepared; psycopg's own default."""
FIRST_ANSWER_S = 20.0

RV = TypeVar("RV")

_KNOW_US = """
SELECT set_config('tcp_keepalives_idle', %(idle)s, false), set_config('tcp_keepalives_interval', %(interval)s, false),
       set_config('tcp_keepalives_count', %(count)s, false), set_config('tcp_user_timeout', %(user)s, false)
WHERE pg_backend_pid() = %(pid)s
"""


class Session(psycopg.Connection[TupleRow]):
    """A connection that does not wait for ever. A server that lives answers, or says that a time limit is over."""

    answer_s: float | None = FIRST_ANSWER_S
    """How long one statement may go without its answer; None: as long as it takes."""
    opened_at: float = 0.0
    """When it was opened, by `time.monotonic`."""

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        limit = self.answer_s if timeout is None else timeout
        try:
            return super().wait(gen, interval, limit)
        except psycopg.errors._WaitTimeout as exc:  # what psycopg 3.3.9 raises for its documented `timeout`
            if timeout is not None:
                raise
            # Nothing sent over it now would reach anybody, a rollback neither.
            self.pgconn.finish()
            raise Unanswered(f"the server did not answer within {limit:g} s; the connection was dropped") from exc


def introduce(conn: psycopg.Connection[Any], prepared: Prepared) -> None:
    """Set up a new connection, of which the server is to find out as soon as we do when its other end is gone.

    A pooler answers with a process id of its own. Then what is set in a session, statements prepared in it too, would
    belong to whoever has that session next; nothing is.
    """
    values = {
        "idle": str(KEEPALIVE_IDLE_S),
        "interval": str(KEEPALIVE_INTERVAL_S),
        "count": str(KEEPALIVE_COUNT),
        "user": str(TCP_USER_TIMEOUT_MS),
        "pid": conn.info.backend_pid,
    }
    direct = conn.execute(_KNOW_US, values, prepare=False).fetchone() is not None
    conn.prepare_threshold = PREPARE_AFTER if direct and prepared == "auto" else None
    if isinstance(conn, Session):
        conn.opened_at = time.monotonic()
