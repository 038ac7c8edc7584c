"""One request and its response on a connection that aiohttp has made.

aiohttp's own request, writer, parser and response take several times the CPU of the kernel for a video of 256 KiB, and
its parser copies each byte of a larger one twice. Here the transport writes a body where its reader wants it. The
connection is taken from aiohttp for one exchange and then given back, if it can be used again.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import sys
from collections.abc import Iterable
from contextlib import suppress
from itertools import chain
from typing import cast

import aiohttp
from aiohttp.connector import Connection

from seedance.network.http_messages import MOST_HEAD_BYTES, Chunks, Head, NotHttp, find_end, read_head
from seedance.network.sessions import forget_unsent, is_readable, set_option

STORE_BYTES = 256 * 1024
"""The store for a body whose length is not known."""
SPILL_BYTES = 1024
"""The end of a store, which fills only if its reader is late. To receive nothing more costs two changes of the loop's
selector, so it is done only then."""
SHORT_BYTES = 16 * 1024
"""A body, or its first piece, of up to this length is sent in one write with the head: each is a call of the kernel."""
PATIENCE_S = 1.0
"""After this long, `receive` returns what has arrived, so that the caller can judge the pace."""
AWAITED_BYTES = 2**20
"""In the middle of a body the kernel wakes the loop only for so many bytes: on most networks it would for each packet.
They stay in the kernel's memory for as long."""
LEAST_AWAITED_BYTES = 256 * 1024
TLS_BYTES = 64 * 1024
"""More than TLS connections, one within another at most, hold of records whose end has not come."""


class Wire(asyncio.BufferedProtocol):
    """The connection during one exchange. Use it on its event loop only.

    What arrives goes to the window of a reader that waits, else to a small store, and when that is full, nothing more
    is received.
    """

    def __init__(
        self, connection: Connection, method: str, stall_s: float | None, most_head_bytes: int = MOST_HEAD_BYTES
    ) -> None:
        """`stall_s`: how long the other side may send nothing, or take nothing, before the exchange fails.
        `most_head_bytes`: a larger head of a response is refused.

        Raises:
            aiohttp.ServerDisconnectedError: the connection has ended.
        """
        inner = connection.protocol
        if inner is None or inner.transport is None:
            connection.close()
            raise aiohttp.ServerDisconnectedError
        self.has_begun = False
        """Whether a byte of the response has come."""
        self._connection, self._inner, self._method, self._stall_s = connection, inner, method, stall_s
        self._most_head_bytes = most_head_bytes
        self._transport: asyncio.Transport = inner.transport
        self._loop = asyncio.get_running_loop()
        self._store = bytearray(MOST_HEAD_BYTES + SPILL_BYTES)
        self._start = self._end = 0  # of what is in the store
        self._window = memoryview(b"")
        self._filled = 0
        self._waiter: asyncio.Future[bool] | None = None
        self._failure: BaseException | None = None
        self._is_paused = self._cannot_write = self._excess = self._is_over = False
        self._head: Head | None = None
        self._chunks: Chunks | None = None
        self._left: int | None = 0
        self._awaited, self._most_awaited = 1, AWAITED_BYTES
        self._transport.set_protocol(self)

    @property
    def status(self) -> int:
        """The status of the response."""
        return self._got.status

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the response, with lower-case names."""
        return cast("dict[str, str]", self._got.headers)

    @property
    def length(self) -> int | None:
        """The length of the body in bytes, None if it is not known."""
        return self._got.length

    @property
    def left(self) -> int | None:
        """The bytes of the body still to be received, None if they are not known."""
        return self._left

    @property
    def _got(self) -> Head:
        if self._head is None:
            raise RuntimeError("there is no response yet")
        return self._head

    async def exchange(self, head: bytes, pieces: Iterable[bytes | memoryview] = ()) -> None:
        """Send a request and wait for the head of the response. Its body is not sent to the end if the response comes
        before that.

        Raises:
            aiohttp.ClientError, OSError: no response.
            aiohttp.SocketTimeoutError: the other side has stalled.
        """
        rest = iter(pieces)
        first = next(rest, b"")
        if len(first) <= SHORT_BYTES:
            head, first = head + first, b""
        self._write(head)
        for piece in chain((first,), rest) if first else rest:
            if self._cannot_write and not await self._can_write():
                break
            self._write(piece)
        while not self._has_head():
            await self._wait()
        found = self._got
        self._left = found.length
        self._chunks = Chunks() if found.chunked else None
        if found.length is None:  # there is no window for it
            waiting = self._store[self._start : self._end]
            self._store = waiting + bytearray(max(STORE_BYTES - len(waiting), 0))
            self._start, self._end = 0, len(waiting)
            self._make_room()
        if self._left == 0:
            await self._end_body()

    def _write(self, data: bytes | memoryview) -> None:
        if self._failure is None and not self._transport.is_closing():  # else asyncio would log it
            self._transport.write(data)

    async def _can_write(self) -> bool:
        while self._cannot_write:
            if self._has_head():
                self._excess = True  # the rest of the request is missing
                return False
            await self._wait()
        return True

    @property
    def _full_at(self) -> int:
        """Where in the store the spill begins."""
        return len(self._store) - SPILL_BYTES

    def _has_head(self) -> bool:
        """Whether the head of the response is there; interim responses (1xx) are passed over."""
        while self._head is None:
            while self._start < self._end and self._store[self._start] in b"\r\n":  # before a head they mean nothing
                self._start += 1
            if self._start == self._end < MOST_HEAD_BYTES:
                return False
            end = find_end(self._store, self._start, self._end)
            if end < 0:
                if not self._store.startswith(b"HTTP/"[: self._end - self._start], self._start):
                    raise NotHttp("Bad status line")
                if self._end >= self._most_head_bytes:
                    raise NotHttp(f"the head of the response is larger than {self._most_head_bytes} bytes")
                if self._end >= self._full_at:
                    self._store = self._store + bytearray(min(len(self._store), self._most_head_bytes - self._full_at))
                    self._make_room()
                return False
            text = self._store[self._start : end].decode("utf-8", "surrogateescape")
            self._start = end
            head = read_head(text, self._method)
            if head.status == 101:
                raise NotHttp("the other side changes the protocol")
            if head.status >= 200:
                self._head = head
        return True

    async def receive(self, into: memoryview) -> memoryview:
        """Receive into `into`, which is not empty, and return the part that was filled: less than all at the end of the
        body, after `PATIENCE_S`, or if the connection ends. The length of the body must be known.

        Raises:
            aiohttp.ClientError, OSError: the connection has ended.
            aiohttp.SocketTimeoutError: the other side has stalled.
        """
        left = self._left
        if left is None:
            raise RuntimeError("the length of the body is not known")
        into = into[:left]
        filled = self._take(into)
        if filled < len(into):
            if self._failure is not None and not filled:
                raise self._failure
            filled = await self._fill(into, filled)
        if not filled:
            raise self._failure or self._ended_early()
        self._left = left - filled
        if not self._left:
            await self._end_body()
        return into[:filled]

    def _take(self, into: memoryview) -> int:
        """Move what is in the store."""
        count = min(len(into), self._end - self._start)
        if count:
            into[:count] = memoryview(self._store)[self._start : self._start + count]
            self._start += count
            self._make_room()
        return count

    def _make_room(self) -> None:
        if self._start == self._end:
            self._start = self._end = 0
        if self._is_paused and self._end <= self._full_at:
            self._is_paused = False
            self._transport.resume_reading()

    async def _fill(self, into: memoryview, filled: int) -> int:
        self._window, self._filled = into, filled
        self._wake_after(len(into) - filled)
        waited_s = 0.0
        try:
            while self._filled < len(into) and self._failure is None:
                if await self._pause(PATIENCE_S):
                    continue
                await self._take_awaited()
                if self._filled:
                    break
                waited_s += PATIENCE_S
                if self._stall_s is not None and waited_s >= self._stall_s:
                    raise aiohttp.SocketTimeoutError(f"nothing arrived for {waited_s:.0f} s")
            return self._filled
        finally:
            self._window, self._filled = memoryview(b""), 0

    def _wake_after(self, missing: int) -> None:
        """Let the loop wake up for much of the bytes that are missing, or for each one if they are few."""
        if min(missing, self._most_awaited) < LEAST_AWAITED_BYTES:
            awaited = 1
        elif self._transport.get_extra_info("ssl_object") is None:
            awaited = min(missing, self._most_awaited)
        else:  # asyncio decrypts so many at a time
            awaited = min(missing - TLS_BYTES, LEAST_AWAITED_BYTES)
        if awaited != self._awaited and sys.platform == "linux":  # others may await more than they have room for
            self._awaited = awaited
            set_option(self._transport, socket.SO_RCVLOWAT, awaited)

    async def _take_awaited(self) -> None:
        """Take what has come although more is awaited; from now on await half of what comes in such a time."""
        if self._awaited > 1:
            self._most_awaited = 1
            self._wake_after(1)
            await asyncio.sleep(0)  # the loop looks at the socket
            await asyncio.sleep(0)  # the transport reads
            self._most_awaited = self._filled // 2

    async def read_some(self) -> bytes:
        """The next bytes of the body, empty at its end.

        Raises:
            aiohttp.ClientError, OSError: as `receive`.
        """
        while self._left != 0:
            if self._left is not None:
                return bytes(await self.receive(memoryview(bytearray(min(self._left, 64 * 1024)))))
            if self._start == self._end:
                if self._failure is not None and self._chunks is None and isinstance(self._failure, ConnectionEnded):
                    self._left = 0  # the end of the connection is that of the body
                    break
                await self._wait()
                continue
            data = bytes(self._store[self._start : self._end])
            self._start = self._end
            self._make_room()
            if self._chunks is None:
                return data
            data = b"".join(self._chunks.feed(data))
            if self._chunks.ended:
                self._left = 0
                self._excess = self._excess or self._chunks.excess
                await self._end_body()
            if data:
                return data
        return b""

    async def read(self, most: int) -> bytes:
        """The body, or as many bytes of it."""
        left = self._left
        if left and left <= most and left <= self._end - self._start:  # all of it came with the head, as most do
            body = bytes(self._store[self._start : self._start + left])
            self._start += left
            self._left = 0
            await self._end_body()
            return body
        body = b""
        while len(body) < most and (data := await self.read_some()):
            body += data
        return body[:most]

    def close(self) -> None:
        """End the exchange: the connection is used again if the body was read to its end."""
        if not self._is_over:
            self._is_over = True
            self._failure = self._failure or aiohttp.ClientConnectionError("the exchange was ended here")
            if self._head is None:
                forget_unsent(self._transport)
            self._transport.abort()  # to close it would wait for the other side to take what it was sent
            self._connection.close()

    async def _end_body(self) -> None:
        """Give the connection back. More bytes than the body, perhaps a second response, would be taken for the
        response to the next request."""
        self._wake_after(1)
        if self._head is not None and self._head.keeps and not self._excess and self._failure is None:
            self._make_room()
            if self._start == self._end and self._may_have_more():
                await asyncio.sleep(0)  # the loop looks at the socket
                await asyncio.sleep(0)  # the transport reads
        usable = self._head is not None and self._head.keeps and self._failure is None
        if not usable or self._excess or self._start < self._end or self._is_over:
            self.close()
            return
        self._is_over = True
        self._transport.set_protocol(self._inner)
        self._connection.release()

    def _may_have_more(self) -> bool:
        return self._transport.get_extra_info("ssl_object") is not None or is_readable(self._transport)

    async def _wait(self) -> None:
        """Wait until something happens on the connection.

        Raises:
            aiohttp.ClientError, OSError: it has ended.
            aiohttp.SocketTimeoutError: nothing has happened for `stall_s`.
        """
        if self._failure is not None:
            raise self._failure
        if not await self._pause(self._stall_s):
            raise aiohttp.SocketTimeoutError(f"nothing happened for {self._stall_s:g} s")

    async def _pause(self, limit_s: float | None) -> bool:
        """Wait for a wake-up; False: none came within the limit."""
        waiter: asyncio.Future[bool] = self._loop.create_future()
        self._waiter = waiter
        timer = None if limit_s is None else self._loop.call_later(limit_s, _give_up, waiter)
        try:
            return await waiter
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(True)

    # What the transport calls.

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the transport writes what it receives."""
        if self._filled < len(self._window):
            return self._window[self._filled :]
        if self._end < self._full_at:
            return memoryview(self._store)[self._end : self._full_at]
        if self._end < len(self._store):
            return memoryview(self._store)[self._end :]
        return memoryview(bytearray(1024))  # for what a TLS connection still reads while it closes

    def buffer_updated(self, nbytes: int) -> None:
        """Count what the transport has written."""
        self.has_begun = True
        if self._filled < len(self._window):
            self._filled += nbytes
            if self._filled == len(self._window):
                self._wake()
            else:
                self._wake_after(len(self._window) - self._filled)
        elif self._end < len(self._store):
            self._end += nbytes
            if self._end > self._full_at:
                self._is_paused = True
                self._transport.pause_reading()
            self._wake()
        else:
            self._excess = True

    def eof_received(self) -> None:
        """The other side sends no more."""
        self._take_rest()
        self._fail(ConnectionEnded(self._ended_early().args[0]))

    def _take_rest(self) -> None:
        """Take what a TLS connection has decrypted. At its end asyncio fills one buffer of ours, and forgets what is
        left."""
        tls = self._transport.get_extra_info("ssl_object")
        if tls is None or self._is_over:
            return
        rest = bytearray()
        with suppress(ssl.SSLError):  # it has no more
            while data := tls.read(STORE_BYTES):
                rest += data
        if rest:
            count = min(len(rest), len(self._window) - self._filled)
            if count:  # without a window, memory that is read-only
                self._window[self._filled : self._filled + count] = rest[:count]
            self._filled += count
            self._store = self._store[self._start : self._end] + rest[count:]
            self._start, self._end = 0, len(self._store)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended."""
        failure = aiohttp.ClientOSError(*exc.args) if isinstance(exc, OSError) else exc
        self._fail(failure or ConnectionEnded("it was closed"))
        self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        """The other side takes no more for now."""
        self._cannot_write = True

    def resume_writing(self) -> None:
        """The other side takes more."""
        self._cannot_write = False
        self._wake()

    def _fail(self, why: BaseException) -> None:
        self._failure = self._failure or why
        self._wake()

    def _ended_early(self) -> aiohttp.ClientPayloadError:
        if self._left is None or self._head is None:
            return aiohttp.ClientPayloadError("the connection was closed before the end of the response")
        missing = self._left - self._filled - (self._end - self._start)
        return aiohttp.ClientPayloadError(f"{missing} bytes are missing")


class ConnectionEnded(aiohttp.ServerDisconnectedError, aiohttp.ClientPayloadError):
    """The other side has ended the connection."""


def _give_up(waiter: asyncio.Future[bool]) -> None:
    if not waiter.done():
        waiter.set_result(False)
