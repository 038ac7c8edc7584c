"""Requests to the object store, repeated while it has trouble of its own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

import aiohttp

from storage.bucket.answers import Answer
from storage.bucket.connection import follow
from storage.bucket.exchanges import Exchange
from storage.bucket.requests import StoreUnavailable
from worker.retry import STORE_REQUEST
from worker.transferring.part_buffer import lose

log = logging.getLogger("reelq.store")

TRIES = 3
_AGAIN_STATUS = frozenset({429, 500, 502, 503, 504})
_AGAIN_CODES = frozenset({"InternalError", "RequestTimeout", "ServiceUnavailable", "SlowDown"})


async def ask(
    session: aiohttp.ClientSession, exchange: Callable[[], Exchange[Answer]], chunks: Sequence[memoryview] = ()
) -> Answer:
    """Run an exchange, up to three times while the store gives no response or reports an error of its own.

    `chunks`: the body, in memory. Repeating it costs no second download; a link allows only a limited number.

    Raises:
        StoreUnavailable: no response to the last try.
    """
    for number in range(1, TRIES + 1):
        last = number == TRIES
        try:
            answer = await follow(session, exchange(), chunks)
        except StoreUnavailable as exc:
            if last:
                raise
            log.info("store.again try=%d error=%s", number, exc)
        else:
            if last or not _may_help(answer):
                return answer
            log.info("store.again try=%d answer=%s", number, answer.describe())
        lose(chunks)  # asyncio sends what it holds, by reference, after the connection was closed here
        await asyncio.sleep(STORE_REQUEST.wait_s(number))
    raise AssertionError("unreachable")


def _may_help(answer: Answer) -> bool:
    return answer.status in _AGAIN_STATUS or answer.code in _AGAIN_CODES
