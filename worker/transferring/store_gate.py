"""Check that the store works before a video is downloaded: a link may be fetched 100 times at most, and a download
whose upload fails uses up one of them.

Uploads are the evidence: while they succeed, nothing is probed. After a failure, or without a recent success, one small
object, which stays in the bucket, is written before the next download. While that fails, no video is tried, and its job
waits. What this process does not know of the store is learned from that object, not from a video.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

import aiohttp

from storage.bucket.connection import follow
from storage.bucket.exchanges import PROBE, put_probe
from storage.bucket.objects import Objects
from storage.bucket.refusals import RIGHTS, refused
from storage.bucket.requests import StoreUnavailable
from worker.retry import STORE_DOWN

log = logging.getLogger("reelq.store")

FRESH_S = 10.0
"""How long a success counts."""
LIMIT_S = 10.0


class StoreGate:
    """The state of the store as one process sees it. Use it on one event loop only."""

    def __init__(self, objects: Objects, session: Callable[[], aiohttp.ClientSession]) -> None:
        self._objects = objects
        self._session = session
        self._worked_at: float | None = None
        self._closed_until = 0.0
        self._failures = 0
        self._why = ""
        self._probing: asyncio.Task[None] | None = None

    async def check(self) -> None:
        """Return if the store accepts objects now.

        Raises:
            StoreUnavailable: it does not, or did not a moment ago.
        """
        now = time.monotonic()
        if now < self._closed_until:
            raise StoreUnavailable(f"not tried: {self._why}")
        if self._worked_at is not None and now - self._worked_at < FRESH_S:
            return
        if self._probing is None:
            self._probing = asyncio.create_task(self._probe())
            # Read the result even if no caller waits any more, or asyncio logs an exception that was never retrieved.
            self._probing.add_done_callback(lambda task: task.cancelled() or task.exception())
        await asyncio.shield(self._probing)  # others wait for the same probe

    def note_success(self) -> None:
        """Record that an upload has succeeded."""
        if self._failures:
            log.info("store.recovered after=%d", self._failures)
        self._worked_at, self._closed_until, self._failures = time.monotonic(), 0.0, 0

    def note_failure(self, exc: StoreUnavailable) -> None:
        """Record that an upload has failed. Failures at the same moment count once."""
        now = time.monotonic()
        self._worked_at = None
        if now >= self._closed_until:
            self._failures += 1
            self._why = str(exc)
            self._closed_until = now + STORE_DOWN.wait_s(self._failures)
            log.warning("store.unavailable failures=%d error=%s", self._failures, exc)

    async def _probe(self) -> None:
        try:
            async with asyncio.timeout(LIMIT_S):
                await self._write()
        except TimeoutError:
            failure = StoreUnavailable(f"no response to a small PUT within {LIMIT_S:g} s")
            self.note_failure(failure)
            raise failure from None
        except StoreUnavailable as exc:
            self.note_failure(exc)
            raise
        finally:
            self._probing = None
        self.note_success()

    async def _write(self) -> None:
        await asyncio.to_thread(self._objects.get_ready)  # credentials may have to be fetched first
        answer = await follow(self._session(), put_probe(self._objects), [memoryview(PROBE)])
        if answer.status != 200:
            raise refused(self._objects, answer, RIGHTS["PUT"], step="PUT")
