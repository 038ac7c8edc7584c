"""Read a video from the gateway's URL as a stream that survives a cut connection."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Self

import aiohttp

from seedance.content_coding import HEAD_BYTES, Coding, Decompressor, coding_of, missing_package
from seedance.network.urls import sendable
from seedance.network.wire import Wire
from storage.bucket.objects import PART_BYTES
from worker.retry import DOWNLOAD_RESUME
from worker.transferring.fetch import DownloadFailed, Fetcher, UrlRefused
from worker.transferring.own_origin import OwnOrigin
from worker.transferring.part_buffer import Slabs

log = logging.getLogger("reelq.download")

MAX_VIDEO_BYTES = 16 * 2**30
MAX_RESUMES = 5
MAX_STALLS = 1
"""How many times to resume a download that sent nothing for `fetch.STALL_S`."""
WINDOW_S = 30.0
LEAST_BYTES_PER_S = 1024.0
"""A download that is slower than this over a window is given up, to free its slot for others."""
_GONE = frozenset({401, 403, 404, 410})
Chunk = bytes | memoryview
"""Bytes of a file. A memoryview may be a part of a slab, which its last user gives back."""
_CONTENT_RANGE = re.compile(r"bytes\s+(\d+)-(\d+)/(\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Validator:
    """The proof that a later range belongs to the same file. A weak ETag proves nothing (RFC 9110 §13.1.5)."""

    header: str
    value: str

    @classmethod
    def of(cls, response: Wire) -> _Validator | None:
        etag = response.headers.get("etag", "")
        if etag and not etag.startswith("W/"):
            return cls("etag", etag)
        modified = response.headers.get("last-modified")
        return cls("last-modified", modified) if modified else None

    def is_denied_by(self, response: Wire) -> bool:
        """Whether a range is of another file. Some servers send it although `If-Range` asks for the first one's."""
        return response.headers.get(self.header, self.value) != self.value


class _Pace:
    """Measures how fast bytes arrive. Only time spent waiting for them counts: the store may be slow as well."""

    def __init__(self, length: int | None, within_s: float | None) -> None:
        self._least = LEAST_BYTES_PER_S
        if length is not None and within_s is not None:
            self._least = max(self._least, length / within_s)
        self._waited_s = 0.0
        self._bytes = 0

    async def read(self, receiving: Awaitable[Chunk]) -> Chunk:
        """The next bytes, empty at the end.

        Raises:
            DownloadFailed: they arrive too slowly.
        """
        before = time.monotonic()
        chunk = await receiving
        self._waited_s += time.monotonic() - before
        self._bytes += len(chunk)
        if self._waited_s >= WINDOW_S:
            if self._bytes < self._least * self._waited_s:
                raise DownloadFailed(f"too slow: {self._bytes} bytes in {self._waited_s:.0f} s")
            self._waited_s, self._bytes = 0.0, 0
        return chunk


class _Memory:
    """The slab that a download fills. After a break, the next response goes on in it: a new one for each would be much
    more memory than there are bytes."""

    def __init__(self, slabs: Slabs) -> None:
        self._slabs = slabs
        self._free = memoryview(b"")

    def free(self, most: int) -> memoryview:
        """What is left of the slab, or else a new one for up to `most` bytes."""
        if not self._free:
            self._free = self._slabs.take(most)
        return self._free

    def use(self, count: int) -> None:
        """Note that the next `count` bytes were filled."""
        self._free = self._free[count:]

    def leave(self) -> None:
        """Fill no more of the slab."""
        self._free = memoryview(b"")


class _Body:
    """The bytes of one response, from `offset` of the file on; in slabs if their number is known."""

    def __init__(self, response: Wire, memory: _Memory, offset: int, pace: _Pace) -> None:
        self._response, self._memory, self._offset, self._pace = response, memory, offset, pace

    async def read(self) -> Chunk:
        """The next bytes, empty at the end.

        Raises:
            DownloadFailed: they arrive too slowly.
        """
        if self._response.length is None:
            self._memory.leave()  # the bytes that go elsewhere may be the last ones of a part
            return await self._pace.read(self._response.read_some())
        left = self._response.left
        if not left:
            return b""
        # A slab of two parts would be given back with the first.
        free = self._memory.free(min(left, PART_BYTES - self._offset % PART_BYTES))
        filled = await self._pace.read(self._response.receive(free))
        self._memory.use(len(filled))
        self._offset += len(filled)
        return filled


class VideoSource:
    """One download. `length`: the bytes to transfer, those of the file unless the server compresses it; None while
    unknown. It yields each byte of the file once, in order, decompressed if the server has compressed it, whatever it
    says about that. A broken download resumes where it stopped, if the server supports that.

    An iterator and no generator: the loop keeps a list of generators, and each of several around another costs more
    than it does here.
    """

    def __init__(
        self,
        fetcher: Fetcher,
        url: str,
        own: OwnOrigin | None = None,
        within_s: float | None = None,
        slabs: Slabs | None = None,
    ) -> None:
        """`own`: the gateway that gave the URL. `within_s`: the time for the whole file; a download that is too slow
        for that is given up early. `slabs`: the memory to receive into; the user of the chunks gives it back."""
        self._fetcher = fetcher
        self._url = url
        self._own = own
        self._within_s = within_s
        self._memory = _Memory(slabs or Slabs())
        self.length: int | None = None
        self._encoding = ""
        self._offset = 0
        self._validator: _Validator | None = None
        self._response: Wire | None = None
        self._body: _Body | None = None
        self._resumes = self._stalls = 0
        self._ahead: Chunk = b""
        self._is_first = True
        self._plain: AsyncIterator[Chunk] | None = None
        """The file, if it comes compressed."""

    async def open(self) -> None:
        """Send the request and read the head of the response.

        Raises:
            UrlRefused: 401, 403, 404 or 410, or a URL that `Fetcher.get` refuses.
            DownloadFailed: no response, or any other response that is not the file.
        """
        headers = {}
        if self._offset and self._validator is not None:
            headers = {"Range": f"bytes={self._offset}-", "If-Range": self._validator.value}
        response = await self._fetcher.get(self._url, headers, self._own)
        try:
            self._accept(response)
        except BaseException:
            response.close()
            raise
        self._response = response

    def _accept(self, response: Wire) -> None:
        if response.status in _GONE:
            raise UrlRefused(f"HTTP {response.status}")
        if self._offset:
            span, _, whole = response.headers.get("content-range", "").partition("/")
            if response.status != 206 or span.removeprefix("bytes ").split("-")[0] != str(self._offset):
                raise DownloadFailed(f"cannot resume at byte {self._offset}: HTTP {response.status}")
            if self._validator is not None and self._validator.is_denied_by(response):
                raise DownloadFailed(f"cannot resume at byte {self._offset}: the file has changed")
            if whole.isdecimal():  # a range may end before the file does
                if self.length not in (None, int(whole)):
                    raise DownloadFailed(f"cannot resume: {whole} bytes instead of {self.length}")
                self.length = int(whole)
                self._check_size()
            return
        self.length = response.length
        if response.status == 206:
            self.length = _whole_length(response)
        elif response.status != 200:
            raise DownloadFailed(f"HTTP {response.status}")
        self._encoding = response.headers.get("content-encoding", "")
        self._check_size()
        self._validator = _Validator.of(response)

    @property
    def size_bytes(self) -> int | None:
        """The size of the file; None: not known, or the server says that it compresses it."""
        return self.length if self._encoding.lower() in ("", "identity") else None

    def _check_size(self) -> None:
        if self.length is not None and self.length > MAX_VIDEO_BYTES:
            raise DownloadFailed(f"{self.length} bytes is more than the {MAX_VIDEO_BYTES} allowed")

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Chunk:
        """The next bytes of the file.

        Raises:
            UrlRefused, DownloadFailed: as `open`; also a download that breaks too often or is too slow, and a
                compressed form that cannot be read.
        """
        chunk, self._ahead = self._ahead, b""
        if not chunk:
            chunk = await self._next()
        if not chunk:
            raise StopAsyncIteration
        return chunk

    async def start(self, size: int) -> bytes:
        """The first `size` bytes of the file, fewer if it ends before; it yields them as well. Call it first.

        Raises:
            UrlRefused, DownloadFailed: as for the next bytes.
        """
        self._ahead = await _joined(size, self._next)
        return bytes(self._ahead[:size])

    async def _next(self) -> Chunk:
        if self._is_first:
            self._is_first = False
            return await self._first()
        return await self._receive() if self._plain is None else await anext(self._plain, b"")

    async def _first(self) -> Chunk:
        """The first bytes of the file, from which its compression is known."""
        head = await _joined(HEAD_BYTES, self._receive)
        beginning = bytes(head[:HEAD_BYTES])
        coding = coding_of(beginning, self._encoding)
        if coding is not None:
            self._plain = _decompressed(head, self._receive, coding)
            return await anext(self._plain, b"")
        if package := missing_package(beginning, self._encoding):
            raise DownloadFailed(f"the server sends it compressed, unasked; to read it, run: pip install {package}")
        return head

    async def _receive(self) -> Chunk:
        """The next bytes as the server sends them, empty at their end; a compressed file is resumed within its
        compressed form."""
        while True:
            try:
                if self._body is None:
                    self._body = self._open_body()
                if chunk := await self._body.read():
                    self._offset += len(chunk)
                    if self._offset > (self.length if self.length is not None else MAX_VIDEO_BYTES):
                        raise DownloadFailed(f"longer than the {self.length or MAX_VIDEO_BYTES} bytes expected")
                elif self.length is not None and self._offset < self.length:
                    raise aiohttp.ClientPayloadError(f"{self._offset} of {self.length} bytes")
                return chunk
            except (aiohttp.ClientError, OSError, TimeoutError) as exc:
                await self._resume(exc)

    async def _resume(self, exc: Exception) -> None:
        self._hang_up()
        self._resumes += 1
        self._stalls += isinstance(exc, TimeoutError)
        hopeless = self._resumes > MAX_RESUMES or self._stalls > MAX_STALLS
        if self._validator is None or not self._offset or hopeless:
            raise DownloadFailed(f"broke off after {self._offset} bytes: {type(exc).__name__}: {exc}") from exc
        log.info("download.resumed host=%s offset=%d", sendable(self._url).host, self._offset)
        await asyncio.sleep(DOWNLOAD_RESUME.wait_s(self._resumes))
        await self.open()

    def _open_body(self) -> _Body:
        if self._response is None:
            raise DownloadFailed("the download is not open")
        return _Body(self._response, self._memory, self._offset, _Pace(self.length, self._within_s))

    async def read(self, limit: int, within_s: float) -> bytes:
        """A small file as a whole.

        Raises:
            UrlRefused, DownloadFailed: as for the next bytes; also a file of more than `limit` bytes, or `within_s` is
                over.
        """
        content = bytearray()
        try:
            async with asyncio.timeout(within_s):
                async for chunk in self:
                    content += chunk
                    if len(content) > limit:
                        raise DownloadFailed(f"larger than the {limit} bytes allowed")
        except TimeoutError as exc:
            raise DownloadFailed(f"not read within {within_s:g} s") from exc
        return bytes(content)

    def close(self) -> None:
        """Close the connection; keep it for the next download if the body was read to its end."""
        self._hang_up()
        self._plain = None  # it refers to this download: a circle would hold the memory of both

    def _hang_up(self) -> None:
        if self._response is not None:
            self._response.close()
            self._response = self._body = None


async def _joined(size: int, read: Callable[[], Awaitable[Chunk]]) -> Chunk:
    """The next bytes of a stream, at least `size` of them; fewer if it ends before."""
    joined = await read()
    while joined and len(joined) < size and (chunk := await read()):
        joined = bytes(joined) + chunk
    return joined


def _whole_length(response: Wire) -> int:
    """The length of a file that was sent as a range although none was asked for.

    Raises:
        DownloadFailed: it is not the range of the whole file.
    """
    said = response.headers.get("content-range", "")
    found = _CONTENT_RANGE.fullmatch(said.strip())
    first, last, length = map(int, found.groups()) if found is not None else (0, 0, 0)
    if found is None or first != 0 or last != length - 1 or response.length not in (None, length):
        raise DownloadFailed(f"HTTP 206 with Content-Range {said!r}, which is not the whole file")
    return length


async def _decompressed(head: Chunk, receive: Callable[[], Awaitable[Chunk]], coding: Coding) -> AsyncIterator[Chunk]:
    """The bytes of a file that the server has compressed, from the beginning of its compressed form and what is
    received of the rest.

    Raises:
        DownloadFailed: that form is damaged or cut, or the file is too large.
    """
    stream, size, data = Decompressor(coding), 0, head
    try:
        while data:
            for piece in filter(None, stream.feed(bytes(data))):
                size += len(piece)
                if size > MAX_VIDEO_BYTES:
                    raise DownloadFailed(f"more than the {MAX_VIDEO_BYTES} bytes allowed, once decompressed")
                yield piece
            data = await receive()
    except ValueError as exc:
        raise DownloadFailed(str(exc)) from exc
    if not stream.is_complete:
        raise DownloadFailed(f"the {coding} stream breaks off after {size} bytes of the file")
