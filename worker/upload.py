"""Write a stream of bytes of known or unknown length to the bucket: one signed PUT, or parts."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import aiohttp
from yarl import URL

from storage.objects import PART_BYTES, UNSIGNED, Objects, Part, SignedRequest, StoreUnavailable, crc32
from worker.failpoints import failpoint
from worker.mp4 import Mp4Check

log = logging.getLogger("reelq.upload")

VIDEO_TYPE = "video/mp4"
PIECE_BYTES = 512 * 1024
HELD_BYTES = 2 * PART_BYTES
"""What a video of more than one part needs at once: a part is sent while the next one arrives."""

HeadReader = Callable[[bytearray], Coroutine[Any, Any, None]]
"""Looks at the whole of a small video or at the first part of a larger one, while it is being sent."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A video in the bucket, whole and checked. `sha256` in hex."""

    key: str
    size_bytes: int
    sha256: str


async def store_video(
    session: aiohttp.ClientSession,
    objects: Objects,
    key: str,
    chunks: AsyncIterator[bytes],
    read_head: HeadReader | None = None,
) -> Stored:
    """Copy a stream to `key`. At most two parts (16 MiB) are held; nothing is stored unless the whole is a valid MP4.

    Raises:
        NotAVideo: the bytes are not a complete MP4.
        StoreUnavailable: the store does not take it.
    """
    if not objects.bucket_known:
        await asyncio.to_thread(objects.ensure_bucket)
    check = Mp4Check()
    buffer = bytearray()
    parts: _Parts | None = None
    reading: asyncio.Task[None] | None = None
    try:
        async for chunk in chunks:
            check.feed(chunk)
            buffer += chunk
            while len(buffer) > PART_BYTES:
                # Some stores, R2 among them, want every part but the last to be of one size.
                part, buffer = buffer, buffer[PART_BYTES:]
                del part[PART_BYTES:]
                if parts is None:
                    parts = await _Parts.begin(session, objects, key)
                    reading = asyncio.create_task(read_head(part)) if read_head is not None else None
                elif reading is not None:
                    await reading  # it holds the first part
                await parts.add(part)
        check.finish()
        if parts is None:
            reading = asyncio.create_task(read_head(buffer)) if read_head is not None else None
            sha256 = await put(session, objects, key, buffer, VIDEO_TYPE)
            stored = Stored(key, len(buffer), sha256)
            failpoint("transfer.after_put")
        else:
            await parts.add(buffer)
            stored = await parts.complete()
            failpoint("transfer.after_complete")
        if reading is not None:
            await reading
    except BaseException:
        if reading is not None:
            reading.cancel()
        if parts is not None:
            await parts.abort()
        raise
    return stored


async def put(
    session: aiohttp.ClientSession, objects: Objects, key: str, data: bytes | bytearray, content_type: str
) -> str:
    """Store an object with one PUT and give its SHA-256 in hex; the store verifies what arrives.

    Raises:
        StoreUnavailable: the store does not take it.
    """
    # Milliseconds for several MiB, in which nobody else on the loop would get on.
    sha256, checksum = _sums(data) if len(data) <= PIECE_BYTES else await asyncio.to_thread(_sums, data)
    request = objects.sign_put(key, size_bytes=len(data), checksum=checksum, sha256=sha256, content_type=content_type)
    await _send(session, request, data)
    return sha256


def _sums(data: bytes | bytearray) -> tuple[str, str]:
    return hashlib.sha256(data).hexdigest(), crc32(data)


class _Parts:
    """A multipart upload under way: one part is sent while its successor is filled."""

    def __init__(self, session: aiohttp.ClientSession, objects: Objects, key: str, upload_id: str) -> None:
        self._session = session
        self._objects = objects
        self._key = key
        self._upload_id = upload_id
        self._parts: list[Part] = []
        self._digest = hashlib.sha256()
        self._size = 0
        self._sending: asyncio.Task[None] | None = None

    @classmethod
    async def begin(cls, session: aiohttp.ClientSession, objects: Objects, key: str) -> _Parts:
        upload_id = await asyncio.to_thread(objects.begin_parts, key, VIDEO_TYPE)
        return cls(session, objects, key, upload_id)

    async def add(self, data: bytearray) -> None:
        """Send the next part, as soon as the one before it is there."""
        await self._settle()
        self._sending = asyncio.create_task(self._send(len(self._parts) + 1, data))

    async def _settle(self) -> None:
        sending, self._sending = self._sending, None
        if sending is not None:
            await sending  # a copy that is cancelled here takes it along

    async def _send(self, number: int, data: bytearray) -> None:
        checksum = await asyncio.to_thread(self._digested, data)
        request = self._objects.sign_put(
            self._key,
            size_bytes=len(data),
            checksum=checksum,
            sha256=UNSIGNED,
            part=(self._upload_id, number),
        )
        self._parts.append(Part(number, await _send(self._session, request, data), checksum))
        self._size += len(data)
        failpoint("transfer.after_first_part")

    def _digested(self, data: bytearray) -> str:
        self._digest.update(data)
        return crc32(data)

    async def complete(self) -> Stored:
        await self._settle()
        await asyncio.to_thread(self._objects.complete_parts, self._key, self._upload_id, self._parts)
        return Stored(self._key, self._size, self._digest.hexdigest())

    async def abort(self) -> None:
        """Give up what was stored; a part still on its way would bring it back, so it is stopped first."""
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)
        try:
            await asyncio.shield(asyncio.to_thread(self._objects.abort_parts, self._key, self._upload_id))
        except (StoreUnavailable, asyncio.CancelledError) as exc:
            log.warning("upload.not_aborted key=%s upload_id=%s error=%s", self._key, self._upload_id, exc)


async def _send(session: aiohttp.ClientSession, request: SignedRequest, data: bytes | bytearray) -> str:
    """Send a signed PUT and give the ETag."""
    body = data if len(data) <= PIECE_BYTES else _pieces(data)
    try:
        async with session.put(URL(request.url, encoded=True), data=body, headers=request.headers) as response:
            answer = await response.content.read(500)
            if response.status != 200:
                raise StoreUnavailable(f"PUT: HTTP {response.status}: {answer.decode('utf-8', 'replace')}")
            return response.headers.get("ETag", "")
    except (aiohttp.ClientError, OSError, TimeoutError) as exc:
        raise StoreUnavailable(f"PUT: {type(exc).__name__}: {exc}") from exc


async def _pieces(data: bytes | bytearray) -> AsyncIterator[memoryview]:
    """A large body bit by bit, so that writing it does not hold up everybody else on the loop."""
    view = memoryview(data)
    for start in range(0, len(view), PIECE_BYTES):
        yield view[start : start + PIECE_BYTES]
