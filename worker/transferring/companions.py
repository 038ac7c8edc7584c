"""Store the companions of a video: its last frame, a poster and a JSON file.

The video is already stored, so no failure here can lose it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from storage.bucket.keys import key_beside
from storage.bucket.objects import PART_BYTES, Objects
from storage.bucket.requests import StoreUnavailable
from worker.runtime import Runtime
from worker.transferring.decoder_channel import Unreadable
from worker.transferring.download import VideoSource
from worker.transferring.fetch import DownloadFailed, UrlRefused
from worker.transferring.first_frame import FirstFrame
from worker.transferring.part_buffer import PartBuffer
from worker.transferring.poster import NO_DECODER, POSTER_TYPE, Posters
from worker.transferring.resources import CopyResources
from worker.transferring.sidecar import SIDECAR_TYPE, sidecar
from worker.transferring.upload import Stored, put
from worker.transferring.video import Video, host_and_port

log = logging.getLogger("reelq.companions")

_PICTURES = {  # how a complete file of each kind begins and ends
    "png": (b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82", "image/png"),
    "jpg": (b"\xff\xd8\xff", b"\xff\xd9", "image/jpeg"),
}
_ENDING_BYTES = 64  # some writers pad a file
MAX_PICTURE_BYTES = 32 * 2**20
PICTURE_LIMIT_S = 120.0


@dataclass(frozen=True, slots=True)
class File:
    """A companion to be stored. `type`: its content type."""

    key: str
    data: bytes
    type: str


@dataclass(frozen=True, slots=True)
class Complete:
    """A stored video and its companions. `notes`: the name of each missing companion, and why it is missing."""

    stored: Stored
    poster_key: str | None = None
    last_frame_key: str | None = None
    notes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class VideoStored:
    """The video is in the bucket and need not be downloaded again, but the store refuses its companions.

    `message` says why.
    """

    stored: Stored
    message: str

    def __str__(self) -> str:
        return self.message


class LastFrameMissing(Exception):
    """The video is stored, but its last frame is not available now; everything else is in `complete`.

    `refused`: the URL answers, but not with a picture, which rarely changes.
    """

    def __init__(self, message: str, complete: Complete, *, refused: bool) -> None:
        super().__init__(message)
        self.complete = complete
        self.refused = refused


class PosterOf:
    """The poster of one video: made from its first part while it is copied, else from the stored file."""

    def __init__(self, posters: Posters) -> None:
        self._posters = posters
        self._made: bytes | str | None = None

    async def read_head(self, head: PartBuffer, first: FirstFrame | None) -> None:
        """Try to make the poster from the first part of the video, or from all of a small one."""
        if first is not None and first.offset + first.size > len(head):
            first = None
        self._made = await self._posters.make(head.read, len(head), first)

    async def picture(self, objects: Objects, stored: Stored) -> bytes | str:
        """The JPEG, or why there is none."""
        made = self._made
        if made is None or (isinstance(made, str) and stored.size_bytes > PART_BYTES):

            async def fetch(offset: int, size: int) -> bytes:
                try:
                    return await asyncio.to_thread(objects.read_range, stored.key, offset, size)
                except StoreUnavailable as exc:
                    raise Unreadable(str(exc)) from exc

            made = await self._posters.make(fetch, stored.size_bytes)
        return made


async def store_companions(runtime: Runtime, video: Video, stored: Stored, poster: PosterOf | None) -> Complete:
    """Store the companions of a stored video. The last frame is fetched while the poster is made, and all are sent at
    once: the job ends when the last of them is stored.

    `poster`: None if none is wanted.

    Raises:
        StoreUnavailable: the store refuses a file.
        LastFrameMissing: the gateway has a last frame, but it cannot be read; everything else is stored without it.
    """
    work, facts = video.work, video.facts
    notes: dict[str, str] = {}
    files: list[File] = []
    making = None
    if poster is not None and work.last_frame_url:
        making = asyncio.create_task(poster.picture(runtime.objects, stored))
    frame, failure = None, None
    try:
        async with AsyncExitStack() as held:
            if work.last_frame_url:
                try:
                    fetching = _last_frame(runtime, video, stored, work.last_frame_url)
                    frame = await held.enter_async_context(fetching)
                    files.append(frame)
                except (UrlRefused, DownloadFailed) as exc:
                    failure = exc
            elif work.request.get("return_last_frame"):
                notes["last_frame"] = "requested, but the gateway returned none"
            poster_key = facts.poster_key
            picture = None
            if poster is not None:
                picture = await (making or poster.picture(runtime.objects, stored))
            if isinstance(picture, bytes):
                poster_key = key_beside(stored.key, "jpg")
                files.append(File(poster_key, picture, POSTER_TYPE))
            elif picture is not None:
                if picture is not NO_DECODER:  # logged once when the process started
                    log.warning("companions.no_poster job_id=%s %s", work.id, picture)
                notes["poster"] = f"not made: {picture}"
            frame_key = frame.key if frame is not None else None
            if runtime.settings.sidecar:
                content = sidecar(work, facts, stored, poster_key=poster_key, last_frame_key=frame_key)
                files.append(File(key_beside(stored.key, "json"), content, SIDECAR_TYPE))
            if files:
                await _put_all(runtime, video, files)
    finally:
        if making is not None:
            making.cancel()
    complete = Complete(stored, poster_key, frame_key, notes)
    if failure is not None:
        raise LastFrameMissing(str(failure), complete, refused=isinstance(failure, UrlRefused)) from failure
    return complete


async def _put_all(runtime: Runtime, video: Video, files: Sequence[File]) -> None:
    session, objects = runtime.part(CopyResources).store(), runtime.objects.holding(files[0].key)
    putting = (
        put(session, objects, file.key, file.data, file.type, f"{video.filename}.{_suffixes(file.key)}")
        for file in files
    )
    for result in await asyncio.gather(*putting, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result


def _suffixes(key: str) -> str:
    """What follows the job's id in the name of a companion."""
    return key.rpartition("/")[2].partition(".")[2]


@asynccontextmanager
async def _last_frame(runtime: Runtime, video: Video, stored: Stored, url: str) -> AsyncIterator[File]:
    """Fetch the last frame, and hold the memory that it takes for the block.

    Raises:
        UrlRefused, DownloadFailed: it cannot be read.
    """
    shared = runtime.part(CopyResources)
    source = VideoSource(shared.fetcher, url, video.own)
    try:
        await source.open()
        held = min(source.length or MAX_PICTURE_BYTES, MAX_PICTURE_BYTES)
        async with shared.capacity.hold(held, host_and_port(url), urgent=video.urgent):
            picture = await source.read(MAX_PICTURE_BYTES, PICTURE_LIMIT_S)
            source.close()
            yield _frame_of(picture, stored)
    finally:
        source.close()


def _frame_of(picture: bytes, stored: Stored) -> File:
    for suffix, (beginning, ending, content_type) in _PICTURES.items():
        if picture.startswith(beginning) and ending in picture[-_ENDING_BYTES:]:
            return File(key_beside(stored.key, f"last.{suffix}"), picture, content_type)
    raise UrlRefused(f"not a complete PNG or JPEG: {len(picture)} bytes that begin with {picture[:8]!r}")
