"""Delete uploaded files from the bucket that were removed, or that no job has needed for long."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from uuid import UUID

from storage.bucket.objects import Objects
from storage.bucket.requests import StoreUnavailable
from storage.database import Connection
from storage.uploads.removal import expire_uploads, forget_uploads, removed_uploads

log = logging.getLogger("reelq.removals")

AT_ONCE = 500
DAY_S = 86_400.0
Begin = Callable[[], AbstractContextManager[Connection]]


def sweep_inputs(begin: Begin, objects: Objects, keep_days: float | None) -> int:
    """Remove files that have expired, and delete the objects of removed ones; returns how many. `keep_days` None: files
    do not expire."""
    if keep_days is not None:
        with begin() as conn:
            expire_uploads(conn, keep_days * DAY_S, AT_ONCE)
    with begin() as conn:
        removed = removed_uploads(conn, AT_ONCE)
    gone: list[UUID] = []
    for file in removed:
        key = objects.keys.input(file.reference) if file.object_key is None else file.object_key
        try:
            if not file.is_shared:
                objects.delete([key])
        except StoreUnavailable as exc:
            log.warning("removals.no_store inputs=%d error=%s", len(removed) - len(gone), exc)
            break
        gone.append(file.id)
    if gone:
        with begin() as conn:
            forget_uploads(conn, gone)
        log.info("removals.inputs count=%d", len(gone))
    return len(gone)
