"""One copy: a video from the gateway's URL into the bucket, and then what belongs beside it."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing

from storage.bucket.objects import StoreUnavailable, video_key
from worker.failpoints import failpoint
from worker.runtime import Runtime
from worker.transferring.companions import Complete, LastFrameMissing, PosterOf, VideoStored, store_companions
from worker.transferring.download import VideoSource
from worker.transferring.fetch import DownloadFailed, LinkExpired, UrlRefused
from worker.transferring.mp4 import NotAVideo
from worker.transferring.resources import CopyResources
from worker.transferring.upload import Stored, held_bytes, store_video
from worker.transferring.video import Video

log = logging.getLogger("reelq.transfer")

COPY_LIMIT_S = 3600.0

Outcome = Complete | VideoStored | LastFrameMissing | UrlRefused | DownloadFailed | NotAVideo | StoreUnavailable


async def copy_video(runtime: Runtime, video: Video) -> Outcome:
    """Copy one video as soon as there is room for it. Every failure is an outcome."""
    try:
        if video.stored is None and video.must_ask_first:
            raise LinkExpired("its link has expired; the gateway is asked for a fresh one")
        shared = runtime.part(CopyResources)
        async with shared.capacity.slot(urgent=video.urgent), asyncio.timeout(COPY_LIMIT_S):
            poster = PosterOf(shared.posters)
            stored = video.stored or await _stream(runtime, video, poster)
            try:
                complete = await store_companions(runtime, video, stored, poster)
            except StoreUnavailable as exc:
                return VideoStored(stored, str(exc))
            failpoint("transfer.after_companions")
            return complete
    except (LastFrameMissing, UrlRefused, DownloadFailed, NotAVideo, StoreUnavailable) as exc:
        return exc
    except TimeoutError:
        return DownloadFailed(f"not copied within {COPY_LIMIT_S:g} s")
    except Exception as exc:  # the copy can always be repeated
        log.exception("transfer.failed job_id=%s", video.work.id)
        return DownloadFailed(f"{type(exc).__name__}: {exc}")


async def _stream(runtime: Runtime, video: Video, poster: PosterOf) -> Stored:
    work = video.work
    shared = runtime.part(CopyResources)
    source = VideoSource(shared.fetcher, work.video_url or "", video.trusted_host)
    try:
        await source.open()
        failpoint("transfer.after_open")
        held = held_bytes(source.length)
        async with shared.capacity.hold(held, urgent=video.urgent), aclosing(source.chunks()) as chunks:
            key = video_key(work.id, work.created_at)
            return await store_video(shared.store(), runtime.objects, key, chunks, poster.read_head)
    finally:
        source.close()
