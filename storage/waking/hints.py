"""Hint the scheduler that work is due, so that it need not wait for its next tick.

A hint is the name of a queue, in one small sorted set of the broker: the same hint twice is one, so a flood of them
takes no memory. The scheduler waits for members of the set and removes them. Hints carry no state: without them, all
is found at the next tick, and a hint without due work costs one look.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection
from contextlib import suppress
from enum import StrEnum
from typing import TYPE_CHECKING

from storage.broker_url import BrokerUrl
from storage.database import Connection
from storage.database_session import Session
from storage.forks import IMPORTING, renew_after_fork

if TYPE_CHECKING:
    import redis

log = logging.getLogger("reelq.hints")

KEY = "reelq:due"
ANSWER_S = 1.0
APART_S = 0.01
"""The least time between two commands of a process; hints that come between are sent together."""
QUIET_S = 5.0
"""After a failure, how long hints are dropped."""
CLOSE_S = 2.0


class Due(StrEnum):
    """Kinds of work, by the queue that it goes to."""

    SUBMIT = "submit"
    POLL = "poll"
    TRANSFER = "transfer"
    NOTIFY = "notify"


def note_due(conn: Connection, due: Due) -> None:
    """Hint that this transaction makes work due, once it has committed. Without effect in a caller's own transaction,
    whose commit nothing here sees, and in a process that gives no hints."""
    if isinstance(conn, Session) and conn.due is not None:
        conn.due.add(due)


class Hints:
    """Gives hints, from a thread of its own: who gives one does not wait for the broker. Threads may share it."""

    def __init__(self, target: BrokerUrl) -> None:
        self._target = target
        self._closed = False
        self._renew()
        renew_after_fork(self)

    def _renew(self) -> None:
        self._wanted: set[str] = set()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def after_fork(self) -> None:
        """The thread and its connection are the parent's."""
        self._renew()

    def give(self, due: Collection[str]) -> None:
        """Hint that work for these queues is due. It never raises: what made the work due is committed."""
        with self._changed:
            self._wanted.update(due)
            if self._thread is None and not self._closed:
                thread = threading.Thread(target=self._run, name="reelq-hints", daemon=True)
                with suppress(RuntimeError, MemoryError):  # no thread is left, or the interpreter ends
                    thread.start()
                    self._thread = thread
            self._changed.notify()

    def close(self) -> None:
        """Send what is left, and close the connection."""
        with self._changed:
            self._closed = True
            thread, self._thread = self._thread, None
            self._changed.notify()
        if thread is not None:
            thread.join(CLOSE_S)

    def _run(self) -> None:
        client: redis.Redis | None = None
        quiet_until, failed = 0.0, False
        while wanted := self._take():
            if time.monotonic() < quiet_until:
                continue
            try:
                client = client or self._client()
                client.zadd(KEY, dict.fromkeys(wanted, 0.0))
                failed = False
            # Also a host's name that cannot be encoded, a file of certificates that is missing, or no descriptor left.
            except Exception as exc:  # noqa: BLE001 - the thread must live on for the next hint
                quiet_until = time.monotonic() + QUIET_S
                if not failed:
                    log.warning("hints.not_sent error=%s: work is found at the scheduler's next tick", exc)
                failed = True
            time.sleep(APART_S)
        if client is not None:
            client.close()

    def _client(self) -> redis.Redis:
        with IMPORTING:
            from storage import broker  # takes a tenth of a second, and not every process gives hints

        return broker.client(self._target, ANSWER_S)

    def _take(self) -> set[str]:
        """Wait for hints; none: closed."""
        with self._changed:
            while not self._wanted and not self._closed:
                self._changed.wait()
            wanted, self._wanted = self._wanted, set()
            return wanted
