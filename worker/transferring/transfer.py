"""Transfer: copy the videos of a batch into the bucket and write the results to their rows."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from seedance.client import base_url_of
from seedance.errors import redact
from storage.database import DatabaseUnavailable
from storage.jobs import transitions
from storage.jobs.playable_copies import is_playable, want_copies
from storage.jobs.reasons import Reason
from storage.jobs.records import Move, Postponement, Work
from storage.jobs.shown.provenance import Provenance, load_to_copy
from storage.jobs.states import JobState
from storage.journal import rows
from storage.logs.context import about
from storage.metrics.families import TRANSFER_BYTES, TRANSFER_SECONDS, TRANSFERS
from storage.metrics.measures import Measures
from storage.tracing.spans import span
from worker.batch import run_batch
from worker.cleaning.removals import remove_unwanted
from worker.failpoints import failpoint
from worker.journal import Journal
from worker.runtime import Runtime
from worker.transferring.capacity import NoRoom, Places
from worker.transferring.companions import Complete, LastFrameMissing, VideoStored
from worker.transferring.copying import Outcome, copy_video
from worker.transferring.decisions import decide_transfer
from worker.transferring.leases import Leases, release
from worker.transferring.own_origin import OwnOrigin
from worker.transferring.resources import CopyResources
from worker.transferring.video import Video
from worker.watching.lag import lag_of
from worker.watching.tally import current_tally

log = logging.getLogger("reelq.transfer")

GATHER_S = 0.2
"""How long a stored video may wait for others before their rows are written together. If the process dies, its copy is
repeated, which is free."""
FALLBACK_LIFE_S = 86400.0  # of a video whose account is no longer configured


@dataclass(frozen=True, slots=True)
class Copied:
    """A video and the outcome of its copy."""

    video: Video
    outcome: Outcome
    took_s: float | None = None
    """Since the copy began; None: it did not begin."""


def start_transfer(runtime: Runtime, claimed: Sequence[tuple[UUID, int]]) -> None:
    """Start to copy a claimed batch in the background, as soon as the line has room.

    Celery's thread is free after that: a host that stalls holds up its own copies, but no thread.
    """
    line = runtime.part(CopyResources).capacity.line
    if not line.join(len(claimed), runtime.stopping.is_set):
        release(runtime, claimed)
        return
    places = Places(line, len(claimed))

    def copy() -> None:
        try:
            transfer_batch(runtime, claimed, places)
        except DatabaseUnavailable as exc:
            log.warning("transfer.no_database jobs=%d error=%s", len(claimed), exc)
        finally:
            places.leave_all()

    runtime.in_background("transfer", copy)


def transfer_batch(runtime: Runtime, claimed: Sequence[tuple[UUID, int]], places: Places | None = None) -> None:
    """Copy the jobs of a claimed batch whose leases we still hold; renew the leases until the copies end.

    `places`: the batch's places in the process's line, None if it has none.
    """
    places = places or Places()
    with runtime.database.begin(planned_once=True) as conn:
        held = load_to_copy(conn, claimed)
    places.leave_all(but=len(held))
    if not held:
        return
    failpoint("transfer.after_load")
    # Written with the first outcomes: so a batch loads without a write of its own.
    lag = lag_of("transfer", [work.lease_left_s for work, _ in held], runtime.settings.lease_seconds)
    videos = [_video(runtime, work, facts) for work, facts in held]
    leases = Leases(runtime, videos)
    renewal = runtime.start(leases.keep())
    try:
        run_batch(
            runtime,
            videos,
            lambda video: leases.guard(video, _copy(runtime, video, places)),
            lambda batch: _write(runtime, batch, lag),
            GATHER_S,
        )
    finally:
        renewal.cancel()


def _video(runtime: Runtime, work: Work, facts: Provenance) -> Video:
    account = runtime.settings.account_with_key(work.account, work.key_id)
    if account is None:
        return Video(work, facts)
    base_url = base_url_of(account, account.dialect)
    return Video(work, facts, OwnOrigin(base_url, account.key(), is_configured=account.base_url is not None))


async def _copy(runtime: Runtime, video: Video, places: Places) -> Copied:
    began: float | None = None

    def leave() -> None:
        nonlocal began
        if began is None:
            began = time.monotonic()
            places.leave()

    work = video.work
    try:
        with span("transfer", work.traceparent, job_id=str(work.id), account=work.account) as recorded:
            outcome = await copy_video(runtime, video, leave)
            if isinstance(outcome, Complete):
                recorded.note(bytes=outcome.stored.size_bytes)
            elif not isinstance(outcome, NoRoom):
                recorded.fail(type(outcome).__name__)
        return Copied(video, outcome, None if began is None else time.monotonic() - began)
    finally:
        leave()


def _write(runtime: Runtime, copied: Sequence[Copied], lag: Measures) -> None:
    tally = current_tally()
    moves: list[Move] = []
    later: list[Postponement] = []
    measures = Measures()
    measures.add(lag)
    for item in copied:
        work = item.video.work
        account = runtime.settings.account(work.account)
        life_s = account.dialect.video_life_s if account is not None else FALLBACK_LIFE_S
        decision = decide_transfer(item.outcome, work, life_s)
        _count(measures, item, decision.reason)
        if isinstance(item.outcome, Complete | NoRoom):
            tally.good("stored" if isinstance(item.outcome, Complete) else "postponed")
        else:
            tally.bad(work.id, decision.reason)
            said = (work.id, decision.reason, redact(str(item.outcome)))
            log.warning("transfer.setback job_id=%s reason=%s %s", *said, extra=about(work.story))
        # The first time that the store refuses, its own words go into the timeline.
        tells = decision.reason is Reason.STORE_UNAVAILABLE and decision.patch["setbacks"] == 1
        if decision.target is JobState.TRANSFERRING and "object_key" not in decision.patch and not tells:
            later.append(decision.postponement(work))
            continue
        moves.append(decision.move(work))
    not_playable = {
        move.id for move in moves if move.target is JobState.SUCCEEDED and not is_playable(move.patch["video_format"])
    }
    with runtime.database.begin(planned_once=True) as conn:
        moved = {move.id for move in transitions.move(conn, moves)}
        written = moved | transitions.postpone(conn, later)
        measures.write(conn)
        if runtime.settings.playable_copies == "always":
            want_copies(conn, list(moved & not_playable))
        ended = [move.id for move in moves if move.id in moved and move.target is JobState.SUCCEEDED]
        lineage, kept = rows.kept(conn, ended)
    lag.clear()
    if lineage is not None:
        runtime.part(Journal).note(lineage, kept)
    failpoint("transfer.after_row")
    # A job that another process moved may have been given up or deleted while we wrote its files.
    ours = [item.video.work.id for item in copied]
    remove_unwanted(runtime.database.begin, runtime.objects, [job_id for job_id in ours if job_id not in written])


def _count(measures: Measures, copied: Copied, reason: Reason) -> None:
    if isinstance(copied.outcome, NoRoom):  # it was not tried
        return
    account = copied.video.work.account
    measures.count(TRANSFERS, account, reason)
    if copied.took_s is not None:
        measures.observe(TRANSFER_SECONDS, copied.took_s, reason)
    outcome = copied.outcome.complete if isinstance(copied.outcome, LastFrameMissing) else copied.outcome
    if isinstance(outcome, Complete | VideoStored) and copied.video.stored is None:
        measures.count(TRANSFER_BYTES, account, by=outcome.stored.size_bytes)
