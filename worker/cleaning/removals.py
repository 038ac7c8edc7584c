"""Remove from the bucket the files of jobs that were given up or deleted.

This happens right after a copy that is no longer wanted, and later, in a sweep, for files that killed workers left.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from uuid import UUID

from storage.bucket.keys import keys_of
from storage.bucket.objects import Objects
from storage.bucket.requests import StoreUnavailable
from storage.database import Connection
from storage.jobs.deletion.removals import Unwanted, claim_removals, note_removed, unwanted

log = logging.getLogger("reelq.removals")

AT_ONCE = 500
Begin = Callable[[], AbstractContextManager[Connection]]


def remove_unwanted(begin: Begin, objects: Objects, ids: Sequence[UUID]) -> None:
    """Remove the files of those of these jobs that were given up or deleted.

    The other jobs keep their files: another worker copies them, or they are done. If the store fails, the sweep
    removes the files later.
    """
    if ids:
        with begin() as conn:
            jobs = unwanted(conn, ids)
        _remove(objects, jobs)


def sweep_removals(begin: Begin, objects: Objects) -> int:
    """Remove the files that are due for removal; returns the number of jobs."""
    with begin() as conn:
        due = claim_removals(conn, AT_ONCE)
    removed = _remove(objects, due)
    with begin() as conn:
        note_removed(conn, removed)
    return len(removed)


def _remove(objects: Objects, jobs: Sequence[Unwanted]) -> list[UUID]:
    removed: list[UUID] = []
    for job in jobs:
        try:
            possible = objects.possible_keys(job.tenant, job.id, job.created_at)
            for key in [job.object_key] if job.object_key else possible:
                objects.delete(keys_of(key))
        except StoreUnavailable as exc:
            log.warning("removals.no_store jobs=%d error=%s", len(jobs) - len(removed), exc)
            break
        log.info("removals.done job_id=%s tenant=%s", job.id, job.tenant)
        removed.append(job.id)
    return removed
