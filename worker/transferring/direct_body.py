"""Receive the rest of a response's body straight into our own memory.

aiohttp's parser allocates memory for each piece that arrives and copies it once more. The length of a video is known,
so the transport can write it where the store gets it from. This takes the connection from aiohttp after the head of the
response and gives it back after the last byte; it is then used again like any other, unless more bytes came.
"""

from __future__ import annotations

import asyncio
from typing import Self

import aiohttp
from aiohttp.client_proto import ResponseHandler

LEAST_BYTES = 128 * 1024
"""A shorter rest is not worth the change."""
PATIENCE_S = 1.0
"""After this long, `receive` returns what has arrived, so that the caller can judge the pace."""


class DirectBody(asyncio.BufferedProtocol):
    """The protocol of a connection while the rest of a body arrives. It receives only while `receive` waits."""

    def __init__(
        self, response: aiohttp.ClientResponse, inner: ResponseHandler, transport: asyncio.Transport, left: int
    ) -> None:
        self.left = left
        """The bytes still to be received."""
        self._response, self._inner, self._transport = response, inner, transport
        self._loop = asyncio.get_running_loop()
        self._stall_s = inner.read_timeout
        inner.read_timeout = None  # only what aiohttp receives restarts it
        inner.start_timeout()
        self._window = memoryview(b"")
        self._filled = 0
        self._waiter: asyncio.Future[None] | None = None
        self._failure: BaseException | None = None
        self._excess = False
        transport.pause_reading()
        transport.set_protocol(self)

    @classmethod
    def take_over(cls, response: aiohttp.ClientResponse, left: int) -> Self | None:
        """Take the connection of a response of which aiohttp holds no byte and `left` are still to be received. None:
        aiohttp must read them."""
        connection, content = response.connection, response.content
        inner = None if connection is None else connection.protocol
        transport = None if inner is None else inner.transport
        if inner is None or transport is None or transport.is_closing():
            return None
        chunked = "Transfer-Encoding" in response.headers
        if left < LEAST_BYTES or chunked or content.is_eof() or content.exception() is not None:
            return None
        return cls(response, inner, transport, left)

    async def receive(self, into: memoryview) -> memoryview:
        """Receive into `into`, which is not empty, and return the part that was filled: less than all at the end, after
        `PATIENCE_S`, or if the connection ends.

        Raises:
            aiohttp.ClientError, OSError: the connection has ended.
            aiohttp.SocketTimeoutError: nothing has arrived for the session's `sock_read`.
        """
        if self._failure is not None:
            raise self._failure
        self._window, self._filled = into[: self.left], 0
        self._waiter = self._loop.create_future()
        self._look_again(0.0)
        self._transport.resume_reading()
        try:
            await self._waiter
        finally:
            self._timer.cancel()
            self._transport.pause_reading()
            received, self._window = self._filled, memoryview(b"")
            self._filled = 0
        if not received:
            raise self._failure or self._ended_early()
        self.left -= received
        if not self.left:
            await self._give_back()
        return into[:received]

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the transport writes what it receives."""
        if self._filled < len(self._window):
            return self._window[self._filled :]
        return memoryview(bytearray(1024))  # for what a TLS connection still reads while it closes

    def buffer_updated(self, nbytes: int) -> None:
        """Count what the transport has written."""
        if self._filled < len(self._window):
            self._filled += nbytes
            if self._filled == len(self._window):
                self._transport.pause_reading()
                self._wake()
        else:
            self._excess = True

    def eof_received(self) -> None:
        """The server ends the connection; too early if bytes are left."""
        self._fail(self._ended_early())

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended."""
        self._fail(exc or self._ended_early())
        self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        """aiohttp writes the request."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """aiohttp writes the request."""
        self._inner.resume_writing()

    def _look_again(self, waited_s: float) -> None:
        self._timer = self._loop.call_later(PATIENCE_S, self._look, waited_s + PATIENCE_S)

    def _look(self, waited_s: float) -> None:
        if self._filled:
            self._wake()
        elif self._stall_s is not None and waited_s >= self._stall_s:
            self._fail(aiohttp.SocketTimeoutError(f"nothing arrived for {waited_s:.0f} s"))
        else:
            self._look_again(waited_s)

    def _ended_early(self) -> aiohttp.ClientPayloadError:
        return aiohttp.ClientPayloadError(f"{self.left - self._filled} bytes are missing")

    def _fail(self, why: BaseException) -> None:
        self._failure = self._failure or why
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _give_back(self) -> None:
        # More bytes than the body, perhaps a second response, would be taken for the response to the next request.
        self._transport.resume_reading()
        for _ in ("the loop looks at the socket", "the transport reads"):
            await asyncio.sleep(0)
        if self._excess or self._failure is not None:
            self._inner.force_close()
        self._transport.set_protocol(self._inner)
        self._inner.set_response_params()  # a parser for what comes next; the one before still waits for this body
        self._response.content.feed_eof()  # releases the connection
