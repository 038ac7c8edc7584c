"""Delete segments of the journal that no backup can need any more."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime

from storage.bucket.objects import Objects
from storage.bucket.requests import StoreUnavailable
from storage.database import Connection
from storage.heartbeats import take_turn
from storage.journal.segments import delete_old

log = logging.getLogger("reelq.sweep")

EVERY_S = 6 * 3600.0
NAME = "journal"


def sweep_journal(
    begin: Callable[[], AbstractContextManager[Connection]], objects: Objects, *, every_s: float = EVERY_S
) -> int | None:
    """Delete old segments; returns how many. None: another process has swept within `every_s`, or the store is down."""
    with begin() as conn:
        if not take_turn(conn, NAME, every_s):
            return None
    try:
        deleted = delete_old(objects, datetime.now(UTC))
    except StoreUnavailable as exc:
        log.warning("sweep.no_store error=%s", exc)
        return None
    if deleted:
        log.info("sweep.journal deleted=%d", deleted)
    return deleted
