"""Abort abandoned multipart uploads: those of workers that were killed in the middle of a copy.

A store keeps, and charges for, the parts of an upload until it is completed or aborted.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime

from storage.bucket.keys import job_of
from storage.bucket.objects import Objects
from storage.bucket.requests import StoreUnavailable
from storage.bucket.sweeps import held_transfers
from storage.database import Connection
from storage.heartbeats import take_turn
from worker.transferring.resources import COPY_LIMIT_S

log = logging.getLogger("reelq.sweep")

EVERY_S = 100.0  # less than the scheduler's interval, or every second call would come a moment too early
OLDER_THAN_S = 600.0
NAME = "uploads"


@dataclass(frozen=True, slots=True)
class Swept:
    """The result of one sweep: uploads that were aborted, and uploads left because a copy may still need them."""

    aborted: int = 0
    left: int = 0


def sweep_uploads(
    begin: Callable[[], AbstractContextManager[Connection]],
    objects: Objects,
    *,
    every_s: float = EVERY_S,
    older_than_s: float = OLDER_THAN_S,
) -> Swept | None:
    """Abort the uploads of videos that are older than `older_than_s` and whose job is not being copied.

    None: another process has swept within `every_s`. A failure of the store ends the sweep; the next one continues. An
    upload that is older than a copy may take is abandoned, even if its job is being copied again.
    """
    with begin() as conn:
        if not take_turn(conn, NAME, every_s):
            return None
    found = []
    for store in objects.every():
        try:
            uploads = store.open_parts(store.keys.videos)
        except StoreUnavailable as exc:
            log.warning("sweep.no_store error=%s", exc)
            continue
        found += [(store, *upload) for upload in uploads if store.keys.is_video(upload[0])]
    # Read the rows after the store: the lease of each upload seen there was granted before.
    jobs = {job_id for _, key, _, _ in found if (job_id := job_of(key)) is not None}
    with begin() as conn:
        held = held_transfers(conn, list(jobs))
    aborted = left = 0
    now = datetime.now(UTC)
    for store, key, upload_id, begun_at in found:
        age_s = (now - begun_at).total_seconds()
        if age_s < older_than_s or (job_of(key) in held and age_s < COPY_LIMIT_S + older_than_s):
            left += 1
            continue
        try:
            store.abort_parts(key, upload_id)
        except StoreUnavailable as exc:
            log.warning("sweep.not_aborted key=%s error=%s", key, exc)
            left += 1
            continue
        aborted += 1
        log.warning("sweep.aborted key=%s upload_id=%s age_s=%.0f", key, upload_id, age_s)
    log.info("sweep.done aborted=%d left=%d", aborted, left)
    return Swept(aborted, left)
