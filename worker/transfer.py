"""Transfer: copy the videos of a batch into the bucket and write what came of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from seedance.errors import redact
from seedance.gateways.registry import DIALECTS
from storage import jobs
from storage.database import DatabaseUnavailable
from storage.objects import PART_BYTES, StoreUnavailable, video_key
from storage.records import Move, Work
from storage.states import JobState
from worker.batch import run_batch
from worker.decisions import MAX_COUNT, Decision, fail
from worker.download import DownloadFailed, UrlRefused, VideoSource
from worker.failpoints import failpoint
from worker.mp4 import NotAVideo
from worker.pacing import backoff_s
from worker.runtime import Runtime
from worker.upload import Stored, store_video

log = logging.getLogger("reelq.transfer")

RETRY_FIRST_S, RETRY_CAP_S = 0.5, 60.0
RETRY_AGE_SHARE = 0.1
WRONG_CONTENT_LIMIT = 3  # then the URL itself is doubted and a fresh one asked for
COPY_LIMIT_S = 3600.0

_REASONS = {NotAVideo: "wrong_content", StoreUnavailable: "store_unavailable"}
Outcome = Stored | UrlRefused | DownloadFailed | NotAVideo | StoreUnavailable


@dataclass(frozen=True, slots=True)
class Copied:
    """What came of one copy."""

    work: Work
    outcome: Outcome


def transfer_batch(runtime: Runtime, claimed: Sequence[tuple[UUID, int]]) -> None:
    """Copy what is still ours of a claimed batch; its leases are renewed for as long as it takes."""
    with runtime.database.begin() as conn:
        held = jobs.load(conn, JobState.TRANSFERRING, claimed)
    if not held:
        return
    failpoint("transfer.after_load")
    leases = _Leases(runtime, held)
    renewal = runtime.start(leases.keep())
    try:
        run_batch(
            runtime, held, lambda work: leases.guard(work, _copy(runtime, work)), lambda batch: _write(runtime, batch)
        )
    finally:
        renewal.cancel()


class _Leases:
    """The leases of a batch: renewed while copies run; a copy whose lease was lost is stopped."""

    def __init__(self, runtime: Runtime, held: Sequence[Work]) -> None:
        self._runtime = runtime
        self._open = {work.id: work.claim for work in held}
        self._running: dict[UUID, asyncio.Task[Copied]] = {}

    async def guard(self, work: Work, copy: Coroutine[Any, Any, Copied]) -> Copied:
        task = asyncio.create_task(copy)
        self._running[work.id] = task
        try:
            return await task
        finally:
            self._running.pop(work.id, None)
            self._open.pop(work.id, None)

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
            return jobs.renew(conn, leases, lease_s)


async def _copy(runtime: Runtime, work: Work) -> Copied:
    outcome: Outcome
    try:
        async with runtime.transfer_slots, asyncio.timeout(COPY_LIMIT_S):
            outcome = await _stream(runtime, work)
    except (UrlRefused, DownloadFailed, NotAVideo, StoreUnavailable) as exc:
        outcome = exc
    except TimeoutError:
        outcome = DownloadFailed(f"not copied within {COPY_LIMIT_S:g} s")
    except Exception as exc:  # the copy can always be repeated
        log.exception("transfer.failed job_id=%s", work.id)
        outcome = DownloadFailed(f"{type(exc).__name__}: {exc}")
    return Copied(work, outcome)


async def _stream(runtime: Runtime, work: Work) -> Stored:
    session = runtime.session()
    source = VideoSource(session, work.video_url or "")
    try:
        await source.open()
        failpoint("transfer.after_open")
        held = min(source.length or PART_BYTES, PART_BYTES)
        async with runtime.transfer_bytes.hold(held), aclosing(source.chunks()) as chunks:
            return await store_video(session, runtime.objects, video_key(work.id, work.created_at), chunks)
    finally:
        source.close()


def decide_transfer(outcome: Outcome, work: Work, video_life_s: float) -> Decision:
    """What one copy's outcome means.

    Only a source that still does not give the video when its life is over ends the job; trouble with our own store
    never does.
    """
    if isinstance(outcome, Stored):
        patch = {
            "object_key": outcome.key,
            "size_bytes": outcome.size_bytes,
            "sha256": outcome.sha256,
            "video_url": None,
            "setbacks": 0,
        }
        return Decision(JobState.SUCCEEDED, "stored", patch=patch)
    message = redact(str(outcome))
    age_s = work.generated_age_s or 0.0
    if age_s > video_life_s and not isinstance(outcome, StoreUnavailable):
        return fail("video_expired", f"the video was generated but not copied within the life of its URL: {message}")
    reason = _REASONS.get(type(outcome), "download_failed")
    setbacks = min(work.setbacks + 1, MAX_COUNT) if work.reason == reason else 1
    slow_s = min(age_s * RETRY_AGE_SHARE, RETRY_CAP_S)  # what has failed for an hour need not be tried every second
    if isinstance(outcome, UrlRefused) or (isinstance(outcome, NotAVideo) and setbacks >= WRONG_CONTENT_LIMIT):
        return Decision(JobState.GENERATING, "url_refused", slow_s, {"setbacks": 0}, {"message": message})
    wait_s = max(slow_s, backoff_s(setbacks, RETRY_FIRST_S, RETRY_CAP_S))
    return Decision(JobState.TRANSFERRING, reason, wait_s, {"setbacks": setbacks}, {"message": message})


def _write(runtime: Runtime, copied: Sequence[Copied]) -> None:
    moves: list[Move] = []
    later: list[tuple[UUID, int, float, str, int, int]] = []
    for item in copied:
        work = item.work
        account = runtime.settings.account(work.account)
        life_s = DIALECTS[account.gateway].video_life_s if account is not None else 86400.0
        decision = decide_transfer(item.outcome, work, life_s)
        if not isinstance(item.outcome, Stored):
            log.warning("transfer.setback job_id=%s reason=%s %s", work.id, decision.reason, redact(str(item.outcome)))
        if decision.target is JobState.TRANSFERRING:
            setbacks = int(decision.patch["setbacks"])
            later.append((work.id, work.claim, decision.due_in_s, decision.reason, setbacks, 0))
            continue
        moves.append(
            Move(
                work.id,
                (JobState.TRANSFERRING,),
                decision.target,
                decision.reason,
                work.claim,
                due_in_s=decision.due_in_s,
                patch=decision.patch,
                detail=decision.detail,
            )
        )
    with runtime.database.begin() as conn:
        jobs.move(conn, moves)
        jobs.postpone(conn, later)
    failpoint("transfer.after_row")
