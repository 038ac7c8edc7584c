"""Signed requests to the object store over the worker's own session."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from yarl import URL

from storage.bucket.multipart import Refusal, refusal_in
from storage.bucket.objects import SignedRequest, StoreUnavailable
from worker.retry import STORE_REQUEST

log = logging.getLogger("reelq.store")

PIECE_BYTES = 512 * 1024
SMALL_BYTES = 64 * 1024
ANSWER_BYTES = 64 * 1024
TRIES = 3
_AGAIN_STATUS = frozenset({429, 500, 502, 503, 504})
_AGAIN_CODES = frozenset({"InternalError", "RequestTimeout", "ServiceUnavailable", "SlowDown"})


@dataclass(frozen=True, slots=True)
class Answer:
    """A response of the store, with any status; `body` is at most its first 64 KiB."""

    status: int
    etag: str
    body: bytes

    @property
    def refusal(self) -> Refusal | None:
        """The error in the response, which may come with status 200; None if there is none."""
        return refusal_in(self.body)

    def describe(self) -> str:
        """One line for people."""
        refusal, text = self.refusal, self.body[:500].decode("utf-8", "replace")
        if refusal is not None:
            text = f"{refusal.code}: {refusal.message}"
        return f"HTTP {self.status}: {' '.join(text.split())}"


async def send(session: aiohttp.ClientSession, request: SignedRequest, chunks: Sequence[memoryview] = ()) -> Answer:
    """Send a signed request and read the response. `chunks` are its body if it has none of its own.

    Raises:
        StoreUnavailable: no response.
    """
    parts = [memoryview(request.body)] if request.body else chunks
    body = _Body(parts) if parts else None
    url = URL(request.url, encoded=True)
    try:
        async with session.request(request.method, url, data=body, headers=request.headers) as response:
            return Answer(response.status, response.headers.get("ETag", ""), await _beginning(response.content))
    except (aiohttp.ClientError, OSError, TimeoutError) as exc:
        raise StoreUnavailable(f"{request.method}: {type(exc).__name__}: {exc}") from exc


async def ask(session: aiohttp.ClientSession, sign: Callable[[], SignedRequest]) -> Answer:
    """Send a small request, up to three times while the store gives no response or reports an error of its own.

    Raises:
        StoreUnavailable: no response to the last try.
    """
    for number in range(1, TRIES + 1):
        last = number == TRIES
        try:
            answer = await send(session, sign())
        except StoreUnavailable as exc:
            if last:
                raise
            log.info("store.again try=%d error=%s", number, exc)
        else:
            if last or not _may_help(answer):
                return answer
            log.info("store.again try=%d answer=%s", number, answer.describe())
        await asyncio.sleep(STORE_REQUEST.wait_s(number))
    raise AssertionError("unreachable")


def _may_help(answer: Answer) -> bool:
    if answer.status in _AGAIN_STATUS:
        return True
    refusal = answer.refusal
    return refusal is not None and refusal.code in _AGAIN_CODES


async def _beginning(content: aiohttp.StreamReader) -> bytes:
    """At most 64 KiB of a response. Reading it to its end lets the connection be used again."""
    body = b""
    while len(body) < ANSWER_BYTES and (chunk := await content.read(ANSWER_BYTES - len(body))):
        body += chunk
    return body


class _Body(aiohttp.Payload):
    """Chunks sent in pieces of about 512 KiB, so that a large write does not block the event loop.

    They can be sent again when a kept connection turns out to be closed.
    """

    def __init__(self, chunks: Sequence[memoryview]) -> None:
        super().__init__(chunks)
        self._size = sum(map(len, chunks))

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return b"".join(self._value).decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        small: list[memoryview] = []
        held = 0
        for chunk in self._value:
            if len(chunk) < SMALL_BYTES:
                small.append(chunk)
                held += len(chunk)
                if held < PIECE_BYTES:
                    continue
            if small:
                await writer.write(b"".join(small))
                small, held = [], 0
            if len(chunk) >= SMALL_BYTES:
                for start in range(0, len(chunk), PIECE_BYTES):
                    await writer.write(chunk[start : start + PIECE_BYTES])
        if small:
            await writer.write(b"".join(small))
