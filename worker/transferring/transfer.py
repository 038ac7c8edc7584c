"""Transfer: copy the videos of a batch into the bucket and write what came of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from seedance.errors import redact
from storage.database import DatabaseUnavailable
from storage.jobs import claims, transitions
from storage.jobs.provenance import Provenance, provenance_of
from storage.jobs.records import Move, Postponement, Work
from storage.jobs.states import JobState
from storage.jobs.work import load_work
from worker.batch import run_batch
from worker.failpoints import failpoint
from worker.runtime import Runtime
from worker.transferring.companions import Complete
from worker.transferring.copying import Outcome, copy_video
from worker.transferring.decisions import decide_transfer
from worker.transferring.fetch import host_of
from worker.transferring.removals import remove_unwanted
from worker.transferring.resources import CopyResources
from worker.transferring.video import Video

log = logging.getLogger("reelq.transfer")

FALLBACK_LIFE_S = 86400.0  # of a video whose account is not configured any more


@dataclass(frozen=True, slots=True)
class Copied:
    """What came of one copy."""

    video: Video
    outcome: Outcome


def transfer_batch(runtime: Runtime, claimed: Sequence[tuple[UUID, int]]) -> None:
    """Copy what is still ours of a claimed batch; its leases are renewed for as long as it takes."""
    with runtime.database.begin() as conn:
        held = load_work(conn, JobState.TRANSFERRING, claimed)
        facts = provenance_of(conn, [work.id for work in held])
    if not held:
        return
    failpoint("transfer.after_load")
    videos = [_video(runtime, work, facts[work.id]) for work in held]
    leases = _Leases(runtime, videos)
    renewal = runtime.start(leases.keep())
    try:
        run_batch(
            runtime,
            videos,
            lambda video: leases.guard(video, _copy(runtime, video)),
            lambda batch: _write(runtime, batch),
        )
    finally:
        renewal.cancel()


def _video(runtime: Runtime, work: Work, facts: Provenance) -> Video:
    account = runtime.settings.account(work.account)
    if account is None:
        return Video(work, facts, has_account=False)
    # The host that the operator wrote into the account may be anywhere.
    return Video(work, facts, host_of(account.base_url))


async def _copy(runtime: Runtime, video: Video) -> Copied:
    return Copied(video, await copy_video(runtime, video))


class _Leases:
    """The leases of a batch: renewed while copies run; a copy whose lease was lost is stopped."""

    def __init__(self, runtime: Runtime, videos: Sequence[Video]) -> None:
        self._runtime = runtime
        self._open = {video.work.id: video.work.claim for video in videos}
        self._running: dict[UUID, asyncio.Task[Copied]] = {}

    async def guard(self, video: Video, copy: Coroutine[Any, Any, Copied]) -> Copied:
        task = asyncio.create_task(copy)
        self._running[video.work.id] = task
        self._runtime.part(CopyResources).copies.add(task)
        try:
            return await task
        except asyncio.CancelledError:
            self._open.pop(video.work.id, None)  # not to be renewed any more
            await asyncio.to_thread(self._give_up, (video.work.id, video.work.claim))
            raise
        finally:
            self._runtime.part(CopyResources).copies.discard(task)
            self._running.pop(video.work.id, None)
            self._open.pop(video.work.id, None)

    def _give_up(self, lease: tuple[UUID, int]) -> None:
        """After a copy that was stopped: another worker may begin at once instead of after the lease, and what is not
        wanted any more leaves the bucket."""
        try:
            with self._runtime.database.begin() as conn:
                claims.release(conn, [lease])
            remove_unwanted(self._runtime.database.begin, self._runtime.objects, [lease[0]])
        except DatabaseUnavailable as exc:
            log.warning("transfer.not_released job_id=%s error=%s", lease[0], exc)

    async def keep(self) -> None:
        """Renew every third of a lease, until cancelled."""
        lease_s = self._runtime.settings.lease_seconds
        while True:
            await asyncio.sleep(lease_s / 3)
            leases = list(self._open.items())
            try:
                kept = await asyncio.to_thread(self._renew, leases, lease_s)
            except DatabaseUnavailable as exc:
                log.warning("transfer.not_renewed error=%s", exc)
                continue
            for job_id, _ in leases:
                if job_id not in kept and (task := self._running.get(job_id)) is not None:
                    log.warning("transfer.lease_lost job_id=%s", job_id)
                    task.cancel()

    def _renew(self, leases: Sequence[tuple[UUID, int]], lease_s: float) -> set[UUID]:
        with self._runtime.database.begin() as conn:
            return claims.renew(conn, leases, lease_s)


def _write(runtime: Runtime, copied: Sequence[Copied]) -> None:
    moves: list[Move] = []
    later: list[Postponement] = []
    for item in copied:
        work = item.video.work
        account = runtime.settings.account(work.account)
        life_s = account.dialect.video_life_s if account is not None else FALLBACK_LIFE_S
        decision = decide_transfer(item.outcome, work, life_s)
        if not isinstance(item.outcome, Complete):
            log.warning("transfer.setback job_id=%s reason=%s %s", work.id, decision.reason, redact(str(item.outcome)))
        if decision.target is JobState.TRANSFERRING and "object_key" not in decision.patch:
            later.append(decision.postponement(work))
            continue
        moves.append(decision.move(work))
    with runtime.database.begin() as conn:
        written = {move.id for move in transitions.move(conn, moves)} | transitions.postpone(conn, later)
    failpoint("transfer.after_row")
    # What was moved on without us may have been given up or deleted while we wrote its files.
    ours = [item.video.work.id for item in copied]
    remove_unwanted(runtime.database.begin, runtime.objects, [job_id for job_id in ours if job_id not in written])
