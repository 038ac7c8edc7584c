"""When a request is sent again, and after which pause."""

from __future__ import annotations

import random

import httpx

from reelq_client.core.errors import ConnectionFailed
from reelq_client.core.requests import Request

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 8.0
LONGEST_RETRY_AFTER_S = 60.0
_AGAIN = frozenset({429, 502, 503, 504})


class Retries:
    """The tries of one request. Only what surely has no second effect is sent again: reading, and what the API promises
    to store once."""

    def __init__(self, request: Request, most: int) -> None:
        self._left = most if request.may_repeat else 0
        self._pause_s = FIRST_PAUSE_S

    def after_answer(self, response: httpx.Response) -> float | None:
        """The pause before the next try; None: this answer is final."""
        if response.status_code not in _AGAIN:
            return None
        wanted = response.headers.get("retry-after", "")
        if not wanted.isdecimal():
            return self._next() if response.status_code != 429 else None
        return self._next(float(wanted)) if float(wanted) <= LONGEST_RETRY_AFTER_S else None

    def after_failure(self) -> float | None:
        """The same after a request without an answer."""
        return self._next()

    def _next(self, at_least: float = 0.0) -> float | None:
        if self._left == 0:
            return None
        self._left -= 1
        pause = max(at_least, self._pause_s * random.uniform(0.5, 1.0))  # noqa: S311 - spreads clients, hides nothing
        self._pause_s = min(self._pause_s * 2, LONGEST_PAUSE_S)
        return pause


def failure(error: httpx.TransportError, url: str) -> ConnectionFailed:
    """A failure of the connection in words."""
    never_sent = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
    what = "cannot be reached" if never_sent else "did not answer"
    return ConnectionFailed(f"{url} {what}: {str(error) or type(error).__name__}", never_sent=never_sent)
