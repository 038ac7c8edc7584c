"""Wait for hints that work is due, instead of sleeping until the next tick; and how often to follow them."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Sequence
from queue import Empty, SimpleQueue
from typing import Any

from redis.exceptions import RedisError, ResponseError

from storage import broker
from storage.broker_url import BrokerUrl
from storage.waking.hints import ANSWER_S, KEY, Due

log = logging.getLogger("reelq.hints")

BLOCK_S = 10
"""How long the broker waits for a hint before it answers that there is none, which shows that the connection works."""
AGAIN_S = 5.0
"""After a failure, how long until the broker is asked again."""
REFUSED_AGAIN_S = 60.0
"""The same if the broker refuses a command: its configuration must change first."""
LEAST_ANSWER_S = 0.1
"""A broker that has just answered has at least this long for its next answer, although the wait is over."""
PAUSE_S = 0.02
"""The least time between two looks at the hints."""
SHARE, CREDIT_S = 0.1, 0.05
"""The share of its time that the scheduler spends on rounds that hints begin, and how much of it may be saved up. On a
busy machine rounds take longer, and so do the pauses between them: a flood of hints changes nothing there."""
_AT_ONCE = "16"
_KNOWN = frozenset(Due)


class HintedWait:
    """A connection on which the broker is always asked for the next hint. Without a hint, a tick costs no command.

    A thread opens the connection: a broker that accepts it and never answers, or a name that is not resolved, delays
    no tick.
    """

    def __init__(self, target: BrokerUrl) -> None:
        self._client = broker.client(target, ANSWER_S)
        self._opened: SimpleQueue[Any] = SimpleQueue()
        """The connection that was opened, or why it was not."""
        self._opening = False
        self._connection: Any = None
        self._asked_at = self._again_at = 0.0
        self._failed = self._closed = False

    def wait(self, seconds: float) -> frozenset[str]:
        """Wait up to `seconds` for hints; returns the queues for which work may be due. It may return earlier with
        none. It never raises: without a broker it only waits."""
        until = time.monotonic() + seconds
        found: list[bytes] = []
        try:
            if self._connection is None:
                self._connect(until)
            if self._connection is not None:
                if self._connection.can_read(max(0.0, until - time.monotonic())):
                    self._take(found, until)
                    return _queues(found)
                if time.monotonic() - self._asked_at > BLOCK_S + ANSWER_S:
                    raise TimeoutError("no answer")
        except (RedisError, OSError, RuntimeError, ValueError) as exc:  # also: no thread is left; a name has no code
            self._lose(exc)
        if not found:
            time.sleep(max(0.0, until - time.monotonic()))
        return _queues(found)

    def _connect(self, until: float) -> None:
        if not self._opening:
            if time.monotonic() < self._again_at:
                return
            threading.Thread(target=self._open, name="reelq-hinted", daemon=True).start()
            self._opening = True
        try:
            opened = self._opened.get(timeout=max(0.0, until - time.monotonic()))
        except Empty:
            return
        self._opening = False
        if isinstance(opened, Exception):
            raise opened
        self._connection, self._asked_at = opened, time.monotonic()

    def _open(self) -> None:
        """Open the connection, and ask for the first hint."""
        try:
            connection: Any = self._client.connection_pool.get_connection()
            connection.send_command("BZPOPMIN", KEY, BLOCK_S)
        except Exception as exc:  # noqa: BLE001 - it is raised where its result is awaited
            self._opened.put(exc)
            return
        self._opened.put(connection)
        if self._closed:
            self._release(connection)

    def _take(self, found: list[bytes], until: float) -> None:
        """Read the hint that is there, ask for those beside it and for the next one, and read the former."""
        first = self._connection.read_response()
        self._failed = False
        if first is None:  # the broker has waited long enough
            self._ask()
            return
        found.append(first[1])
        self._connection.send_command("ZPOPMIN", KEY, _AT_ONCE)
        self._ask()
        if not self._connection.can_read(max(LEAST_ANSWER_S, until - time.monotonic())):
            raise TimeoutError("no answer")
        others: Sequence[Any] = self._connection.read_response()
        found += others[::2]

    def _ask(self) -> None:
        self._connection.send_command("BZPOPMIN", KEY, BLOCK_S)
        self._asked_at = time.monotonic()

    def _lose(self, exc: Exception) -> None:
        refused = isinstance(exc, ResponseError)
        if not self._failed:
            log.warning("hints.not_read error=%s: work is found at each tick", exc)
        self._failed = True
        self._again_at = time.monotonic() + (REFUSED_AGAIN_S if refused else AGAIN_S)
        self._drop()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._release(connection)

    def _release(self, connection: Any) -> None:
        connection.disconnect()
        self._client.connection_pool.release(connection)

    def close(self) -> None:
        """Close the connection."""
        self._closed = True
        self._drop()
        self._client.close()


def _queues(found: Sequence[bytes]) -> frozenset[str]:
    return _KNOWN & {hint.decode(errors="replace") for hint in found}


class Pace:
    """When to look at the hints again. Times are of one clock, in seconds."""

    def __init__(self) -> None:
        self.next_at = self._ended = -math.inf
        self._credit_s = CREDIT_S

    def note_more(self, began: float, ended: float) -> None:
        """Note a round after which more can be claimed at once: the next one follows after as much time as it took, so
        that such rounds take half of the scheduler's time. They leave what hints have saved up."""
        self._ended, self.next_at = ended, ended + max(PAUSE_S, ended - began)

    def note(self, began: float, ended: float) -> None:
        """Note a round, which may have been empty."""
        earned_s = (began - self._ended) * SHARE
        self._credit_s = min(CREDIT_S, self._credit_s + earned_s) - (ended - began)
        self._ended, self.next_at = ended, ended + max(PAUSE_S, -self._credit_s / SHARE)
