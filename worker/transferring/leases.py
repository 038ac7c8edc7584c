"""The leases of videos that are being copied: renewed until the copy ends, released when a copy is stopped."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar, cast
from uuid import UUID

from storage.database import DatabaseUnavailable
from storage.jobs import claims
from storage.logs.context import about, bind
from worker.cleaning.removals import remove_unwanted
from worker.runtime import Runtime
from worker.transferring.resources import CopyResources
from worker.transferring.video import Video

log = logging.getLogger("reelq.transfer")
T = TypeVar("T")


class Leases:
    """The leases of a batch: renewed while copies run. A copy that loses its lease is stopped."""

    def __init__(self, runtime: Runtime, videos: Sequence[Video]) -> None:
        self._runtime = runtime
        self._copies = runtime.part(CopyResources).copies
        self._open = {video.work.id: video.work.claim for video in videos}
        self._shortest_s = min((video.work.lease_left_s for video in videos), default=0.0)
        self._stories = {video.work.id: video.work.story for video in videos}
        self._running: dict[UUID, asyncio.Task[Any]] = {}

    async def guard(self, video: Video, copy: Coroutine[Any, Any, T]) -> T:
        """Run a copy in the current task, which is cancelled if the lease is lost or the process must end."""
        bind(**video.work.story)
        task = cast("asyncio.Task[Any]", asyncio.current_task())
        self._running[video.work.id] = task
        self._copies.add(task)
        try:
            return await copy
        except asyncio.CancelledError:
            self._open.pop(video.work.id, None)  # do not renew it after it is released
            await asyncio.to_thread(self._give_up, (video.work.id, video.work.claim))
            raise
        finally:
            self._copies.discard(task)
            self._running.pop(video.work.id, None)
            self._open.pop(video.work.id, None)

    def _give_up(self, lease: tuple[UUID, int]) -> None:
        """Release the lease of a stopped copy, and remove its files if its job was given up or deleted."""
        release(self._runtime, [lease])
        try:
            remove_unwanted(self._runtime.database.begin, self._runtime.objects, [lease[0]])
        except DatabaseUnavailable as exc:
            log.warning("transfer.not_looked job_id=%s error=%s", lease[0], exc)

    async def keep(self) -> None:
        """Renew the leases every third of their length, until cancelled. The first time it may be sooner: the batch
        may have waited."""
        lease_s = self._runtime.settings.lease_seconds
        wait_s = min(lease_s / 3, self._shortest_s / 2)
        while True:
            await asyncio.sleep(wait_s)
            wait_s = lease_s / 3
            leases = list(self._open.items())
            try:
                renewed = await asyncio.to_thread(self._renew, leases, lease_s)
            except DatabaseUnavailable as exc:
                log.warning("transfer.not_renewed error=%s", exc)
                continue
            except Exception:
                log.exception("transfer.not_renewed")  # without renewals, all of these videos would be copied again
                continue
            for job_id, _ in leases:
                if job_id not in renewed and (task := self._running.get(job_id)) is not None:
                    log.warning("transfer.lease_lost job_id=%s", job_id, extra=about(self._stories[job_id]))
                    task.cancel()

    def _renew(self, leases: Sequence[tuple[UUID, int]], lease_s: float) -> set[UUID]:
        with self._runtime.database.begin() as conn:
            return claims.renew(conn, leases, lease_s)


def release(runtime: Runtime, leases: Sequence[tuple[UUID, int]]) -> None:
    """Release leases, so that another worker can start at once instead of after they expire."""
    try:
        with runtime.database.begin() as conn:
            claims.release(conn, leases)
    except DatabaseUnavailable as exc:
        log.warning("transfer.not_released jobs=%d error=%s", len(leases), exc)
