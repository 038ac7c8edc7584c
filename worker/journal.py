"""Write the journal: each POST before it is made, its answer, and each stored video.

A thread of its own writes to the bucket, so that no batch waits longer than `WAIT_S` for a slow store, and none at all
while the store is down: submits go on without the journal. What could not be written is kept and written when the store
answers again.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from uuid import UUID

from storage.bucket.requests import StoreUnavailable
from storage.database import DatabaseUnavailable
from storage.journal import segments, state
from storage.journal.entries import Answered, Entry, Kept, Sent, as_line
from worker.retry import JOURNAL
from worker.runtime import Part, Runtime

log = logging.getLogger("reelq.journal")

WAIT_S = 1.0
"""The longest wait of a batch for its entries."""
OPEN_S = 10.0
"""How long the first batches of a process also wait while it loads the store's client: where boto3 must find the keys,
half a second of CPU, more on a busy machine. The store is not slow then."""
GATHER_S = 0.3
"""How long to gather answers and videos before they are written: nothing waits for them."""
NOTE_EVERY_S = 15.0
MOST_KEPT = 100_000
"""Entries to keep while the store is down; then the oldest are dropped."""


class Journal(Part):
    """The only writer of this process. Threads may share it."""

    wait_s = 3.0

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(runtime)
        self._changed = threading.Condition()
        self._waiting: list[tuple[UUID, Entry]] = []
        self._urgent = self._stopping = self._behind = self._open = False
        self._added = self._written = 0
        self._thread: threading.Thread | None = None
        self._writer = secrets.token_hex(4)
        self._lines: list[bytes] = []
        self._key: str | None = None
        self._opened: datetime | None = None
        self._lineage: UUID | None = None
        self._number = 0
        self._noted_at = float("-inf")

    def write_ahead(self, lineage: UUID, sent: Sequence[Sent]) -> bool:
        """Write POSTs down before they are made. False: the store did not take them in time, and they will be written
        later."""
        with self._changed:
            self._add(lineage, sent)
            self._urgent = True
            self._changed.notify_all()
            if self._behind or self._thread is None:
                return False
            mine = self._added
            self._changed.wait_for(lambda: self._open, OPEN_S)
            in_time = self._changed.wait_for(lambda: self._written >= mine or self._behind, WAIT_S)
            written = in_time and not self._behind
        if not in_time:
            self._note_behind(f"the store took longer than {WAIT_S:g} s")
        return written

    def note(self, lineage: UUID, entries: Sequence[Answered] | Sequence[Kept]) -> None:
        """Write entries soon, without a wait."""
        if entries:
            with self._changed:
                self._add(lineage, entries)
                self._changed.notify_all()

    def _add(self, lineage: UUID, entries: Sequence[Entry]) -> None:
        self._waiting += [(lineage, entry) for entry in entries]
        self._added += len(entries)
        if len(self._waiting) > MOST_KEPT:
            dropped = len(self._waiting) - MOST_KEPT
            log.error("journal.dropped entries=%d", dropped)
            self._waiting = self._waiting[dropped:]
            self._written += dropped
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="reelq-journal", daemon=True)
            with suppress(RuntimeError):  # no thread can be started now; the next entries try again
                thread.start()
                self._thread = thread

    def _run(self) -> None:
        with suppress(Exception):  # the first write says what is wrong
            self.runtime.objects.open()
        with self._changed:
            self._open = True
            self._changed.notify_all()
        failures = 0
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._stopping)
                if not self._stopping and not self._urgent:
                    self._changed.wait_for(lambda: self._urgent or self._stopping, GATHER_S)
                if not self._waiting:
                    return
                batch, self._waiting, self._urgent = self._waiting, [], False
            try:
                self._put(batch)
            except Exception as exc:  # noqa: BLE001 - the thread must go on; `_failed` logs it
                failures += 1
                self._failed(batch, exc)
                with self._changed:
                    if self._stopping:
                        return
                    self._changed.wait_for(lambda: self._stopping, JOURNAL.wait_s(failures))
                continue
            failures = 0
            with self._changed:
                if self._behind:
                    log.info("journal.caught_up entries=%d", len(batch))
                self._behind = False
                self._written += len(batch)
                self._changed.notify_all()

    def _failed(self, batch: list[tuple[UUID, Entry]], exc: Exception) -> None:
        if isinstance(exc, StoreUnavailable):
            log.warning("journal.not_written entries=%d error=%s", len(batch), exc)
        else:
            log.exception("journal.failed entries=%d", len(batch))
        with self._changed:
            self._waiting = [*batch, *self._waiting]
            self._behind = True
            self._changed.notify_all()
        self._note_behind(str(exc))

    def _note_behind(self, error: str) -> None:
        """Let doctor and `/readyz` say it."""
        if time.monotonic() - self._noted_at < NOTE_EVERY_S:
            return
        try:
            with self.runtime.database.begin() as conn:
                state.note_behind(conn, error)
            self._noted_at = time.monotonic()
        except DatabaseUnavailable as exc:
            log.warning("journal.not_noted error=%s", exc)
        except Exception:
            log.exception("journal.not_noted")  # the thread must go on: submits wait for what it writes

    def _put(self, batch: Sequence[tuple[UUID, Entry]]) -> None:
        """Write the entries into the present segment, or into a new one."""
        for lineage in dict.fromkeys(lineage for lineage, _ in batch):
            own = [entry for of, entry in batch if of == lineage]
            self._turn(lineage, own)
            lines = [as_line(entry) for entry in own]
            self.runtime.objects.put_bytes(str(self._key), b"".join([*self._lines, *lines]), segments.TYPE)
            self._lines += lines

    def _turn(self, lineage: UUID, entries: Sequence[Entry]) -> None:
        """Open a new segment if the present one is of another database, full or old."""
        # An answer may come days after its POST.
        at = max(entry.started_at if isinstance(entry, Sent) else datetime.now(UTC) for entry in entries)
        if (
            self._opened is not None
            and lineage == self._lineage
            and len(self._lines) < segments.MOST_ENTRIES
            and at < self._opened + segments.SPAN
        ):
            return
        self._number += 1
        self._lineage, self._opened, self._lines = lineage, at, []
        self._key = segments.key_of(self.runtime.objects, lineage, at, self._writer, self._number)

    async def close(self) -> None:
        """Write what is left, if the store answers."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, self.wait_s)
