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
from worker.leases import renewals
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
        async for lost in renewals(lease_s, self._renew, log, "transfer.not_renewed", left_s=self._shortest_s):
            for job_id in lost:
                if (task := self._running.get(job_id)) is not None:
                    log.warning("transfer.lease_lost job_id=%s", job_id, extra=about(self._stories[job_id]))
                    task.cancel()

    def _renew(self) -> set[UUID]:
        """Renew them; returns the jobs whose leases are lost."""
        leases = dict(self._open)
        with self._runtime.database.begin() as conn:
            return leases.keys() - claims.renew(conn, list(leases.items()), self._runtime.settings.lease_seconds)


def release(runtime: Runtime, leases: Sequence[tuple[UUID, int]]) -> None:
    """Release leases, so that another worker can start at once instead of after they expire."""
    try:
        with runtime.database.begin() as conn:
            claims.release(conn, leases)
    except DatabaseUnavailable as exc:
        log.warning("transfer.not_released jobs=%d error=%s", len(leases), exc)
