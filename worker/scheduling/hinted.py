"""Wait for hints that work is due, instead of sleeping until the next tick; and how often to follow them."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
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
PAUSE_S = 0.02
"""The least time between two looks at the hints."""
SHARE, CREDIT_S = 0.1, 0.05
"""The share of its time that the scheduler spends on rounds that hints begin, and how much of it may be saved up. On a
busy machine rounds take longer, and so do the pauses between them: a flood of hints changes nothing there."""
_AT_ONCE = "16"
_KNOWN = frozenset(Due)


class HintedWait:
    """A connection on which the broker is always asked for the next hint. Without a hint, a tick costs no command."""

    def __init__(self, target: BrokerUrl) -> None:
        self._client = broker.client(target, ANSWER_S)
        self._connection: Any = None
        self._asked_at = self._again_at = 0.0
        self._failed = False

    def wait(self, seconds: float) -> frozenset[str]:
        """Wait up to `seconds` for hints; returns the queues for which work may be due. It may return earlier with
        none. It never raises: without a broker it only waits."""
        until = time.monotonic() + seconds
        found: frozenset[str] = frozenset()
        try:
            if self._connection is None and time.monotonic() >= self._again_at:
                self._connect()
            if self._connection is not None:
                if self._connection.can_read(max(0.0, until - time.monotonic())):
                    return self._take()
                if time.monotonic() - self._asked_at > BLOCK_S + ANSWER_S:
                    raise TimeoutError("no answer")
        except (RedisError, OSError) as exc:
            self._lose(exc)
        time.sleep(max(0.0, until - time.monotonic()))
        return found

    def _connect(self) -> None:
        self._connection = self._client.connection_pool.get_connection()
        self._ask()

    def _ask(self) -> None:
        self._connection.send_command("BZPOPMIN", KEY, BLOCK_S)
        self._asked_at = time.monotonic()

    def _take(self) -> frozenset[str]:
        """Read the hint that is there, take those beside it, and ask for the next one."""
        first = self._connection.read_response()
        found: list[bytes] = []
        if first is not None:  # None: the broker has waited long enough
            self._connection.send_command("ZPOPMIN", KEY, _AT_ONCE)
            others: Sequence[Any] = self._connection.read_response()
            found = [first[1], *others[::2]]
        self._ask()
        self._failed = False
        return _KNOWN & {hint.decode(errors="replace") for hint in found}

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
            connection.disconnect()
            self._client.connection_pool.release(connection)

    def close(self) -> None:
        """Close the connection."""
        self._drop()
        self._client.close()


class Pace:
    """When to look at the hints again. Times are of one clock, in seconds."""

    def __init__(self) -> None:
        self.next_at = self._ended = -math.inf
        self._credit_s = CREDIT_S

    def note(self, began: float, ended: float) -> None:
        """Note a round, which may have been empty."""
        earned_s = (began - self._ended) * SHARE
        self._credit_s = min(CREDIT_S, self._credit_s + earned_s) - (ended - began)
        self._ended, self.next_at = ended, ended + max(PAUSE_S, -self._credit_s / SHARE)
