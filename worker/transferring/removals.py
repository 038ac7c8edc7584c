"""Take out of the bucket what belongs to jobs that were given up or deleted: at once after a copy that was not wanted
any more, and later what killed workers left.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from uuid import UUID

from storage.bucket.objects import Objects, StoreUnavailable, keys_of, video_key
from storage.database import Connection
from storage.jobs.removals import Unwanted, claim_removals, note_removed, unwanted

log = logging.getLogger("reelq.removals")

AT_ONCE = 500
Begin = Callable[[], AbstractContextManager[Connection]]


def remove_unwanted(begin: Begin, objects: Objects, ids: Sequence[UUID]) -> None:
    """Remove what these jobs have in the bucket, of those that were given up or deleted. The others keep theirs: they
    are being copied by another worker, or are done.

    Trouble with the store is left to the sweep.
    """
    if ids:
        with begin() as conn:
            found = unwanted(conn, ids)
        _remove(objects, found)


def sweep_removals(begin: Begin, objects: Objects) -> int:
    """Remove the files that are due to be removed; of how many jobs."""
    with begin() as conn:
        due = claim_removals(conn, AT_ONCE)
    done = _remove(objects, due)
    with begin() as conn:
        note_removed(conn, done)
    return len(done)


def _remove(objects: Objects, jobs: Sequence[Unwanted]) -> list[UUID]:
    done: list[UUID] = []
    for job in jobs:
        try:
            objects.delete(keys_of(job.object_key or video_key(job.id, job.created_at)))
        except StoreUnavailable as exc:
            log.warning("removals.no_store jobs=%d error=%s", len(jobs) - len(done), exc)
            break
        log.info("removals.done job_id=%s", job.id)
        done.append(job.id)
    return done
