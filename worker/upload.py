"""Write a stream of bytes of known or unknown length to the bucket: one signed PUT, or parts."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
from yarl import URL

from storage.objects import PART_BYTES, UNSIGNED, Objects, Part, SignedRequest, StoreUnavailable, crc32
from worker.failpoints import failpoint
from worker.mp4 import Mp4Check

log = logging.getLogger("reelq.upload")

VIDEO_TYPE = "video/mp4"
PIECE_BYTES = 512 * 1024


@dataclass(frozen=True, slots=True)
class Stored:
    """A video in the bucket, whole and checked. `sha256` in hex."""

    key: str
    size_bytes: int
    sha256: str


async def store_video(
    session: aiohttp.ClientSession, objects: Objects, key: str, chunks: AsyncIterator[bytes]
) -> Stored:
    """Copy a stream to `key`. At most one part (8 MiB) is held; nothing is stored unless the whole is a valid MP4.

    Raises:
        NotAVideo: the bytes are not a complete MP4.
        StoreUnavailable: the store does not take it.
    """
    if not objects.bucket_known:
        await asyncio.to_thread(objects.ensure_bucket)
    digest = hashlib.sha256()
    check = Mp4Check()
    buffer = bytearray()
    parts: _Parts | None = None
    size = 0
    try:
        async for chunk in chunks:
            check.feed(chunk)
            buffer += chunk
            if len(buffer) >= PART_BYTES:
                digest.update(buffer)
                size += len(buffer)
                parts = parts or await _Parts.begin(session, objects, key)
                await parts.add(buffer)
                failpoint("transfer.after_first_part")
                buffer = bytearray()
        check.finish()
        digest.update(buffer)
        size += len(buffer)
        sha256 = digest.hexdigest()
        if parts is None:
            await _put(
                session,
                objects.sign_put(key, size_bytes=size, checksum=crc32(buffer), sha256=sha256, content_type=VIDEO_TYPE),
                buffer,
            )
            failpoint("transfer.after_put")
        else:
            if buffer:
                await parts.add(buffer)
            await parts.complete()
            failpoint("transfer.after_complete")
    except BaseException:
        if parts is not None:
            await parts.abort()
        raise
    return Stored(key, size, sha256)


class _Parts:
    """A multipart upload under way."""

    def __init__(self, session: aiohttp.ClientSession, objects: Objects, key: str, upload_id: str) -> None:
        self._session = session
        self._objects = objects
        self._key = key
        self._upload_id = upload_id
        self._parts: list[Part] = []

    @classmethod
    async def begin(cls, session: aiohttp.ClientSession, objects: Objects, key: str) -> _Parts:
        upload_id = await asyncio.to_thread(objects.begin_parts, key, VIDEO_TYPE)
        return cls(session, objects, key, upload_id)

    async def add(self, data: bytearray) -> None:
        number = len(self._parts) + 1
        checksum = crc32(data)
        request = self._objects.sign_put(
            self._key,
            size_bytes=len(data),
            checksum=checksum,
            sha256=UNSIGNED,
            part=(self._upload_id, number),
        )
        self._parts.append(Part(number, await _put(self._session, request, data), checksum))

    async def complete(self) -> None:
        await asyncio.to_thread(self._objects.complete_parts, self._key, self._upload_id, self._parts)

    async def abort(self) -> None:
        try:
            await asyncio.shield(asyncio.to_thread(self._objects.abort_parts, self._key, self._upload_id))
        except (StoreUnavailable, asyncio.CancelledError) as exc:
            log.warning("upload.not_aborted key=%s upload_id=%s error=%s", self._key, self._upload_id, exc)


async def _put(session: aiohttp.ClientSession, request: SignedRequest, data: bytearray) -> str:
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


async def _pieces(data: bytearray) -> AsyncIterator[memoryview]:
    """A large body bit by bit, so that writing it does not hold up everybody else on the loop."""
    view = memoryview(data)
    for start in range(0, len(view), PIECE_BYTES):
        yield view[start : start + PIECE_BYTES]
