"""Make the wanted copies that every browser plays, one at a time in each process.

The original is read from the bucket and stays as it is. The demand is a row with a lease, which is renewed while the
copy waits and is made.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from concurrent.futures import CancelledError
from contextlib import aclosing, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from tempfile import TemporaryFile
from typing import IO, Any
from uuid import UUID

from seedance.errors import redact
from storage.bucket.connection import PIECE_BYTES
from storage.bucket.keys import playable_key
from storage.bucket.object_headers import readable_name
from storage.bucket.requests import ObjectMissing, StoreUnavailable
from storage.database import DatabaseUnavailable
from storage.jobs import playable_copies
from storage.jobs.playable_copies import WantedCopy, is_playable
from storage.logs.context import bound
from worker.cleaning.removals import remove_unwanted
from worker.failpoints import failpoint
from worker.leases import renewals
from worker.playable.maker import LIMIT_S, make
from worker.retry import PLAYABLE
from worker.runtime import Part, Runtime
from worker.transferring.mp4 import NotAVideo, format_of_stored
from worker.transferring.resources import CopyResources
from worker.transferring.upload import store_video
from worker.watching.tally import current_tally

log = logging.getLogger("reelq.playable")

NO_ENCODER = "PyAV is not installed where videos are copied; run: pip install 'reelq[media]'"
MAX_BYTES = 4 * 2**30
MAX_TRIES = 3


@dataclass(frozen=True, slots=True)
class Made:
    """The copy is stored under `key`, or none is needed (None). `video_format`: the original's, if it was not known."""

    key: str | None
    video_format: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """No copy was made. `lasting`: another try would fail as well; `counts`: this one counts as a try."""

    reason: str
    lasting: bool = False
    counts: bool = True


class PlayableCopies(Part):
    """The process's encoder: one copy at a time."""

    wait_s = 5.0

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(runtime)
        self.turn = asyncio.Lock()
        self.running: set[asyncio.Task[Any]] = set()

    def drain(self) -> None:
        """Give up the running copies; each releases its lease."""
        for task in self.running:
            task.cancel()


def start_copy(runtime: Runtime, claimed: Sequence[tuple[UUID, int]]) -> None:
    """Make claimed copies in a background thread: they take long, and no thread of Celery's waits for them."""
    runtime.in_background("playable", lambda: make_copies(runtime, claimed))


def make_copies(runtime: Runtime, claimed: Sequence[tuple[UUID, int]]) -> None:
    """Make those of the claimed copies whose leases still hold, and record the results."""
    for job_id, claim in claimed:
        with runtime.database.begin() as conn:
            wanted = playable_copies.load_copy(conn, job_id, claim)
        if wanted is None:
            continue
        with bound(**wanted.story):
            _make_one(runtime, wanted)


def _make_one(runtime: Runtime, wanted: WantedCopy) -> None:
    failpoint("playable.after_load")
    try:
        outcome = runtime.start(_leased(runtime, wanted)).result()
    except CancelledError:  # the process stops, or the lease has passed to another worker
        with suppress(DatabaseUnavailable), runtime.database.begin() as conn:
            playable_copies.release_copies(conn, [(wanted.job_id, wanted.claim)])
        return
    _record(runtime, wanted, outcome)


async def _leased(runtime: Runtime, wanted: WantedCopy) -> Made | Failed:
    """Make one copy; stop if its lease passes to another worker."""
    part = runtime.part(PlayableCopies)
    task = asyncio.create_task(_make(runtime, wanted))
    renewal = asyncio.create_task(_renew(runtime, wanted, task))
    part.running.add(task)
    try:
        return await task
    finally:
        part.running.discard(task)
        renewal.cancel()


async def _renew(runtime: Runtime, wanted: WantedCopy, task: asyncio.Task[Any]) -> None:
    lease_s = runtime.settings.lease_seconds

    def renew() -> bool:
        with runtime.database.begin() as conn:
            return playable_copies.renew_copy(conn, wanted.job_id, wanted.claim, lease_s)

    async for held in renewals(lease_s, renew, log, f"playable.not_renewed job_id={wanted.job_id}"):
        if not held:
            log.warning("playable.lease_lost job_id=%s", wanted.job_id)
            task.cancel()
            return


async def _make(runtime: Runtime, wanted: WantedCopy) -> Made | Failed:
    """Every failure is an outcome."""
    if find_spec("av") is None:
        return Failed(NO_ENCODER, lasting=True)
    if wanted.size_bytes > MAX_BYTES:
        return Failed(f"{wanted.size_bytes} bytes is more than the {MAX_BYTES} that are copied", lasting=True)
    async with runtime.part(PlayableCopies).turn:
        try:
            found = wanted.video_format or await asyncio.to_thread(_format, runtime, wanted)
            if is_playable(found):
                return Made(None, found)
            with TemporaryFile() as source, TemporaryFile() as target:
                await asyncio.to_thread(_fetch, runtime, wanted, source)
                if (reason := await make(source, target)) is not None:
                    return Failed(reason)
                return Made(await _store(runtime, wanted, target), found)
        except ObjectMissing as exc:  # deleted in the bucket: it may be put back, but not often
            return Failed(str(exc))
        except StoreUnavailable as exc:
            return Failed(str(exc), counts=False)
        except NotAVideo as exc:
            return Failed(f"the copy is not complete: {exc}")
        except TimeoutError:
            return Failed(f"not made within {LIMIT_S:g} s")
        except Exception as exc:  # the copy can always be repeated
            log.exception("playable.failed job_id=%s", wanted.job_id)
            return Failed(f"{type(exc).__name__}: {exc}")


def _format(runtime: Runtime, wanted: WantedCopy) -> dict[str, Any]:
    def read_at(offset: int, size: int) -> bytes:
        return runtime.objects.holding(wanted.object_key).read_range(wanted.object_key, offset, size)

    return format_of_stored(read_at, wanted.size_bytes).as_json()


def _fetch(runtime: Runtime, wanted: WantedCopy, file: IO[bytes]) -> None:
    for piece in runtime.objects.holding(wanted.object_key).chunks(wanted.object_key):
        file.write(piece)
    file.flush()
    file.seek(0)


async def _store(runtime: Runtime, wanted: WantedCopy, file: IO[bytes]) -> str:
    key = playable_key(wanted.object_key)
    name = readable_name(wanted.job_id, wanted.campaign, wanted.idempotency_key, wanted.prompt)
    session = runtime.part(CopyResources).store()
    async with aclosing(_pieces(file)) as pieces:
        await store_video(session, runtime.objects.holding(key), key, pieces, filename=f"{name}.playable.mp4")
    failpoint("playable.after_store")
    return key


async def _pieces(file: IO[bytes]) -> AsyncGenerator[bytes, None]:
    file.seek(0)
    while piece := await asyncio.to_thread(file.read, PIECE_BYTES):
        yield piece


def _record(runtime: Runtime, wanted: WantedCopy, outcome: Made | Failed) -> None:
    job_id, claim = wanted.job_id, wanted.claim
    if isinstance(outcome, Made):
        with runtime.database.begin() as conn:
            done = playable_copies.finish_copy(conn, job_id, claim, key=outcome.key, video_format=outcome.video_format)
        current_tally().good("made")
        log.info("playable.made job_id=%s key=%s", job_id, outcome.key)
        if not done:  # its files may have been deleted while the copy was being made
            remove_unwanted(runtime.database.begin, runtime.objects, [job_id])
        return
    reason = redact(outcome.reason)
    log.warning("playable.not_made job_id=%s tries=%d %s", job_id, wanted.tries, reason)
    current_tally().bad(job_id, reason)
    tries = wanted.tries + outcome.counts
    with runtime.database.begin() as conn:
        if outcome.lasting or tries >= MAX_TRIES:
            playable_copies.give_up_copy(conn, job_id, claim, reason)
        else:
            playable_copies.release_copies(conn, [(job_id, claim)], PLAYABLE.wait_s(tries), tried=outcome.counts)
