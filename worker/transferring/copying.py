"""One copy: a video from the gateway's URL into the bucket, then its companions."""

from __future__ import annotations

import logging
from collections.abc import Callable

from storage.bucket.requests import StoreUnavailable
from worker.failpoints import failpoint
from worker.runtime import Runtime
from worker.transferring.capacity import NoRoom
from worker.transferring.companions import Complete, LastFrameMissing, PosterOf, VideoStored, store_companions
from worker.transferring.download import VideoSource
from worker.transferring.fetch import DownloadFailed, LinkExpired, UrlRefused
from worker.transferring.mp4 import NotAVideo
from worker.transferring.resources import COPY_LIMIT_S, CopyResources
from worker.transferring.upload import Stored, held_bytes, store_video
from worker.transferring.video import Video
from worker.transferring.video_format import START_BYTES, container_of

log = logging.getLogger("reelq.transfer")


class DownloadWasted(StoreUnavailable):
    """The store did not take a video after it was fetched. A store that is nearly full still takes the small object by
    which it is probed."""


Outcome = (
    NoRoom | Complete | VideoStored | LastFrameMissing | UrlRefused | DownloadFailed | NotAVideo | StoreUnavailable
)


async def copy_video(runtime: Runtime, video: Video, has_begun: Callable[[], None] = lambda: None) -> Outcome:
    """Copy one video as soon as there is room; call `has_begun` when the copy begins. Every failure is an outcome."""
    shared = runtime.part(CopyResources)
    try:
        if video.stored is None and video.must_ask_first:
            raise LinkExpired("its link has expired; asking the gateway for a fresh one")
        async with shared.capacity.slot(video.host, urgent=video.urgent):
            with shared.time_limits.start():
                has_begun()
                await shared.store_gate.check()
                outcome = await _store(runtime, video)
        if isinstance(outcome, VideoStored):
            shared.store_gate.note_failure(StoreUnavailable(outcome.message))
        else:
            shared.store_gate.note_success()
            failpoint("transfer.after_companions")
        return outcome
    except StoreUnavailable as exc:
        shared.store_gate.note_failure(exc)
        return exc
    except LastFrameMissing as exc:
        shared.store_gate.note_success()  # everything else was stored
        return exc
    except (NoRoom, UrlRefused, DownloadFailed, NotAVideo) as exc:
        return exc
    except TimeoutError:
        return DownloadFailed(f"not copied within {COPY_LIMIT_S:g} s")
    except Exception as exc:  # the copy can always be repeated
        log.exception("transfer.failed job_id=%s", video.work.id)
        return DownloadFailed(f"{type(exc).__name__}: {exc}")


async def _store(runtime: Runtime, video: Video) -> Complete | VideoStored:
    posters = runtime.part(CopyResources).posters
    poster = PosterOf(posters) if posters.enabled and not video.facts.poster_key else None
    stored = video.stored or await _stream(runtime, video, poster)
    try:
        return await store_companions(runtime, video, stored, poster)
    except StoreUnavailable as exc:
        return VideoStored(stored, str(exc))


async def _stream(runtime: Runtime, video: Video, poster: PosterOf | None) -> Stored:
    work = video.work
    shared = runtime.part(CopyResources)
    source = VideoSource(shared.fetcher, work.video_url or "", video.own, COPY_LIMIT_S, shared.slabs)
    try:
        await source.open()
        failpoint("transfer.after_open")
        host, urgent = video.host, video.urgent
        async with shared.capacity.hold(held_bytes(source.size_bytes), host, urgent=urgent):
            container = container_of(await source.start(START_BYTES))
            objects = runtime.objects.for_tenant(work.tenant)
            key = objects.keys.video(work.tenant, work.id, work.created_at, container)
            filename = f"{video.filename}.{container}"
            spare = shared.capacity.spare(host, urgent=urgent)
            read_head = poster.read_head if poster is not None else None
            return await store_video(shared.store(), objects, key, source, read_head, filename, shared.slabs, spare)
    except StoreUnavailable as exc:
        raise DownloadWasted(str(exc), exc.code) from exc
    finally:
        source.close()
