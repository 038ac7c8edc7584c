"""Notice that the database was restored from a backup, before anything is submitted from it.

A scheduler compares the database with its journal in the bucket when it starts, after each loss of the database, when
another server has taken its place, and when the database shows an older state than before. Until then it moves nothing:
what looks queued may be finished.
"""

from __future__ import annotations

import logging
import threading
import time
from datetime import datetime

from storage.bucket.objects import Objects
from storage.bucket.requests import StoreUnavailable
from storage.database import Connection, Database, DatabaseUnavailable
from storage.journal import state
from storage.journal.comparison import compare, never_promoted

log = logging.getLogger("reelq.journal")

AGAIN_S = 5.0
SETTLE_S = 3.0
"""The pause between a doubt and its comparison: a worker that lost the database, too, may still write entries of what
it has just begun, and the answers that it now cannot store."""


class RestoreWatch:
    """One per scheduler. A thread of its own compares, so that a store that hangs does not stop the ticks."""

    def __init__(self, database: Database, objects: Objects) -> None:
        self._database = database
        self._objects = objects
        self._lock = threading.Lock()
        self._through: datetime | None = None
        self._server: datetime | None = None
        """The server that was compared: a failover between two ticks breaks no statement of ours."""
        self._compared = False
        self._trusted = False
        """The store is down, but a scheduler used this very database a moment ago."""
        self._failed = False
        """The comparison failed for a reason of its own: nothing may be submitted, but videos must not expire."""
        self._thread: threading.Thread | None = None
        self._next_at = 0.0
        self._doubts = 0

    def may_run(self) -> bool:
        """Whether jobs may be moved. Starts a comparison if one is needed.

        Raises:
            DatabaseUnavailable: as `Database.begin`.
        """
        with self._lock:
            if not self._compared and self._thread is None and time.monotonic() >= self._next_at:
                thread = threading.Thread(target=self._compare, args=(self._doubts,), name="reelq-journal", daemon=True)
                thread.start()  # if that fails, the next tick tries again
                self._thread = thread
            return self._compared or self._trusted or self._failed

    def may_submit(self, conn: Connection) -> bool:
        """Whether jobs may be submitted in this transaction: the database is the one that was compared, is not older
        than it was, and is not held."""
        if not (self._compared or self._trusted):
            return False
        through, held, server = state.position(conn)
        known = self._through
        if server != self._server:
            log.warning("database.replaced started=%s: it is compared with its journal first", server)
            self.doubt()
            return False
        if known is not None and (through is None or through < known):
            log.error("database.older now=%s before=%s: it is compared with its journal first", through, known)
            self.doubt()
            return False
        return not held

    def advance(self, conn: Connection) -> None:
        """Note with each heartbeat that database and journal agree."""
        if not self._compared:
            return
        through = state.advance(conn, self._through)
        if through is None:
            self.doubt()
        else:
            self._through = through

    def doubt(self) -> None:
        """Compare again: the database was not reachable, or it is older than before."""
        with self._lock:
            self._compared = self._trusted = self._failed = False
            self._doubts += 1
            self._next_at = time.monotonic() + SETTLE_S

    def _compare(self, doubts: int) -> None:
        through, server, trusted, failed = None, None, False, False
        try:
            with self._database.begin() as conn:  # before: one that comes during the comparison is another one
                _, _, server = state.position(conn)
            if doubts == 0 and not never_promoted(self._database):  # perhaps a moment ago, when nothing here looked
                time.sleep(SETTLE_S)
            through = compare(self._database, self._objects)
        except StoreUnavailable as exc:
            trusted = self._without_store(exc)
        except DatabaseUnavailable as exc:
            log.warning("journal.no_database error=%s", exc)
        except Exception as exc:
            log.exception("journal.comparison_failed")
            failed = self._say_failed(exc)
        with self._lock:
            self._thread = None
            if doubts != self._doubts:  # the database was lost or replaced since
                return
            self._next_at = time.monotonic() + (0.0 if through is not None else AGAIN_S)
            self._trusted, self._failed, self._server = trusted, failed, server
            if through is not None:
                self._compared, self._through = True, through

    def _say_failed(self, exc: Exception) -> bool:
        """Let doctor and `/readyz` say it; returns whether the database took it."""
        message = f"the comparison with the journal failed ({type(exc).__name__}); nothing is submitted: see the log"
        try:
            with self._database.begin() as conn:
                state.note_problem(conn, "no_store", message)
        except DatabaseUnavailable:
            return False
        return True

    def _without_store(self, exc: StoreUnavailable) -> bool:
        """Whether jobs may be moved although the journal cannot be read: a scheduler used this database a moment
        ago."""
        try:
            with self._database.begin() as conn:
                known = state.read_state(conn)
                trusted = self._trusted or known.fresh
                waits = "" if trusted else "; nothing is moved until it can be read"
                state.note_problem(conn, "no_store", f"the journal cannot be read: {exc}{waits}")
        except DatabaseUnavailable:
            return False
        log.warning("journal.no_store trusted=%s error=%s", trusted, exc)
        return trusted
