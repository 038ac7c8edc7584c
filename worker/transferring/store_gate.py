"""Is the store there? Found out before a video is downloaded: a link may be fetched a hundred times at most, and a
download whose upload fails is one of them.

What uploads say is the evidence: while they succeed, nothing is asked. After a failure, or when none succeeded lately,
one small object is written before the next download; while that fails, no video is tried, and its job waits.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable

import aiohttp

from storage.bucket.objects import VIDEOS, Objects, StoreUnavailable, crc32
from worker.retry import STORE_DOWN
from worker.transferring.store_requests import send

log = logging.getLogger("reelq.store")

PROBE_KEY = f"{VIDEOS}probe"
"""A few bytes, always the same; they stay."""
PROBE = b"written to see whether the bucket can be written to\n"
FRESH_S = 10.0
"""For so long a success counts."""
LIMIT_S = 10.0


class StoreGate:
    """What a process knows of the store. To be used on one event loop."""

    def __init__(self, objects: Objects, session: Callable[[], aiohttp.ClientSession]) -> None:
        self._objects = objects
        self._session = session
        self._worked_at: float | None = None
        self._closed_until = 0.0
        self._failures = 0
        self._why = ""
        self._probing: asyncio.Task[None] | None = None

    async def check(self) -> None:
        """Pass if the store takes objects now.

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
            self._probing.add_done_callback(
                lambda done: done.cancelled() or done.exception()
            )  # all may be gone by then
        await asyncio.shield(self._probing)  # others wait for the same answer

    def note_success(self) -> None:
        """An upload has succeeded."""
        if self._failures:
            log.info("store.recovered after=%d", self._failures)
        self._worked_at, self._closed_until, self._failures = time.monotonic(), 0.0, 0

    def note_failure(self, exc: StoreUnavailable) -> None:
        """An upload has failed. Those that fail at the same moment count once."""
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
            failure = StoreUnavailable(f"no answer to a small PUT within {LIMIT_S:g} s")
            self.note_failure(failure)
            raise failure from None
        except StoreUnavailable as exc:
            self.note_failure(exc)
            raise
        finally:
            self._probing = None
        self.note_success()

    async def _write(self) -> None:
        if not self._objects.bucket_known:
            await asyncio.to_thread(self._objects.ensure_bucket)
        # In a thread, because credentials may have to be fetched first.
        request = await asyncio.to_thread(
            self._objects.sign_put,
            PROBE_KEY,
            size_bytes=len(PROBE),
            checksum=crc32(PROBE),
            sha256=hashlib.sha256(PROBE).hexdigest(),
            content_type="text/plain",
        )
        answer = await send(self._session(), request, [memoryview(PROBE)])
        if answer.status != 200:
            raise StoreUnavailable(f"PUT: {answer.describe()}")
