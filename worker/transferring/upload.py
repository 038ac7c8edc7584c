"""Write a stream of bytes of known or unknown length to the bucket: with one signed PUT, or in parts."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp

from storage.bucket import exchanges
from storage.bucket.answers import Answer
from storage.bucket.checksums import Sums, crc32
from storage.bucket.connection import PIECE_BYTES
from storage.bucket.exchanges import Exchange
from storage.bucket.keys import type_of_video
from storage.bucket.objects import PART_BYTES
from storage.bucket.refusals import RIGHTS, refused
from storage.bucket.requests import Requests
from worker.failpoints import failpoint
from worker.transferring.capacity import Spare
from worker.transferring.download import Chunk
from worker.transferring.first_frame import FirstFrame
from worker.transferring.mp4 import Mp4Check
from worker.transferring.multipart import Parts
from worker.transferring.part_buffer import PartBuffer, Slabs
from worker.transferring.store_requests import ask

HELD_BYTES = 2 * PART_BYTES
"""The memory that a video of more than one part needs: one part is sent while the next one arrives."""


def held_bytes(length: int | None) -> int:
    """The memory, in bytes, that a video of `length` bytes takes during its copy. None: the length is not known."""
    return length if length is not None and length <= PART_BYTES else HELD_BYTES


HeadReader = Callable[[PartBuffer, FirstFrame | None], Coroutine[Any, Any, None]]
"""Reads all of a small video, or the first part of a larger one, while it is being sent; and where the first frame
lies, if that is known by then."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A video in the bucket, complete and verified. `sha256` in hex; `format` as `VideoFormat.as_json`, None if an
    older release stored it."""

    key: str
    size_bytes: int
    sha256: str
    format: Mapping[str, Any] | None = None


async def store_video(
    session: aiohttp.ClientSession,
    objects: Requests,
    key: str,
    chunks: AsyncIterator[Chunk],
    read_head: HeadReader | None = None,
    filename: str | None = None,
    slabs: Slabs | None = None,
    spare: Spare | None = None,
) -> Stored:
    """Copy a stream to `key`, a video's. Holds at most two parts (16 MiB) and what is spare, and stores nothing unless
    it is a complete MP4 or MOV.

    `filename`: the name under which browsers save it. `slabs`: where the slabs of the chunks go when they are stored.
    `spare`: memory for more parts under way.

    Raises:
        NotAVideo: the bytes are not a complete MP4.
        StoreUnavailable: the store refuses it.
    """
    check, digest, size = Mp4Check(), hashlib.sha256(), 0
    content_type = type_of_video(key) or "application/octet-stream"
    part = PartBuffer()
    parts: Parts | None = None
    reading: asyncio.Task[None] | None = None
    try:
        async for chunk in chunks:
            check.feed(chunk)
            digest.update(chunk)
            rest = memoryview(chunk)
            while rest:
                if part.is_full:
                    # Some stores, R2 among them, require all parts but the last to have the same size.
                    if parts is None:
                        parts = await Parts.begin(session, objects, key, content_type, filename, slabs, spare)
                        reading = (
                            asyncio.create_task(read_head(part, check.first_frame)) if read_head is not None else None
                        )
                    elif reading is not None:
                        await reading  # it holds the first part
                    await parts.add(part)
                    part = PartBuffer()
                taken = part.take(rest)
                rest, size = rest[taken:], size + taken
        check.finish()
        if parts is None:
            reading = asyncio.create_task(read_head(part, check.first_frame)) if read_head is not None else None
            sha256 = digest.hexdigest()
            await _put(session, objects, key, part.chunks, len(part), content_type, sha256, part.crc32, filename)
            failpoint("transfer.after_put")
        else:
            await parts.add(part)
            await parts.complete()
            failpoint("transfer.after_complete")
        if reading is not None:
            await reading
        if parts is None and slabs is not None:
            slabs.give(part.chunks)
    except BaseException:
        if reading is not None:
            reading.cancel()
        if parts is not None:
            await parts.abort()
        raise
    return Stored(key, size, digest.hexdigest(), check.format.as_json())


async def put(
    session: aiohttp.ClientSession,
    objects: Requests,
    key: str,
    data: bytes,
    content_type: str,
    filename: str | None = None,
) -> str:
    """Store an object with one PUT and return its SHA-256 in hex; the store verifies the checksum.

    `filename`: the name under which browsers save it.

    Raises:
        StoreUnavailable: the store refuses it.
    """
    # Hashing several MiB takes milliseconds, which would block the event loop.
    sha256, checksum = _sums(data) if len(data) <= PIECE_BYTES else await asyncio.to_thread(_sums, data)
    await _put(session, objects, key, [memoryview(data)], len(data), content_type, sha256, checksum, filename)
    return sha256


def _sums(data: bytes) -> tuple[str, str]:
    return hashlib.sha256(data).hexdigest(), crc32(data)


async def _put(
    session: aiohttp.ClientSession,
    objects: Requests,
    key: str,
    body: Sequence[memoryview],
    size_bytes: int,
    content_type: str,
    sha256: str,
    checksum: str,
    filename: str | None,
) -> None:
    sums, kind = Sums(body, crc32=checksum, sha256=sha256), objects.traits.checksum
    if not sums.is_known(kind) and size_bytes > PIECE_BYTES:
        await asyncio.to_thread(sums.value, kind)

    def putting() -> Exchange[Answer]:
        return exchanges.put(
            objects, key, sums, size_bytes=size_bytes, sha256=sha256, content_type=content_type, filename=filename
        )

    answer = await ask(session, putting, body)
    if answer.status != 200:
        raise refused(objects, answer, RIGHTS["PUT"], step="PUT")
