"""Bounded memory: how many videos may be copied and how many of their bytes held at once, whatever their sizes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

COPIES_AT_ONCE, URGENT_COPIES_AT_ONCE = 16, 4
BYTES_AT_ONCE, URGENT_BYTES_AT_ONCE = 64 * 2**20, 16 * 2**20


class MemoryLimit:
    """Hands out bytes, first come, first served; to be used on one event loop."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._free = total
        self._changed = asyncio.Condition()

    def has(self, size: int) -> bool:
        """Whether so many bytes (at most the whole budget) are free now."""
        return self._free >= min(size, self._total)

    @asynccontextmanager
    async def hold(self, size: int) -> AsyncIterator[None]:
        """Wait for that many bytes (at most the whole budget) and keep them for the block."""
        size = min(size, self._total)
        async with self._changed:
            await self._changed.wait_for(lambda: self._free >= size)
            self._free -= size
        try:
            yield
        finally:
            self._free += size  # no await here: a cancelled copy must give its bytes back
            asyncio.get_running_loop().create_task(self._tell())

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()


class Capacity:
    """What the copies of a process share. A part of it is kept for videos whose URL dies soon: they need not wait for
    a hundred others that have all day. To be used on one event loop."""

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(COPIES_AT_ONCE)
        self._urgent_slots = asyncio.Semaphore(URGENT_COPIES_AT_ONCE)
        self._bytes = MemoryLimit(BYTES_AT_ONCE)
        self._urgent_bytes = MemoryLimit(URGENT_BYTES_AT_ONCE)

    @asynccontextmanager
    async def slot(self, *, urgent: bool) -> AsyncIterator[None]:
        """Wait for the turn of one copy."""
        async with self._urgent_slots if urgent and self._slots.locked() else self._slots:
            yield

    @asynccontextmanager
    async def hold(self, size: int, *, urgent: bool) -> AsyncIterator[None]:
        """Wait for that many bytes and keep them for the block."""
        budget = self._urgent_bytes if urgent and not self._bytes.has(size) else self._bytes
        async with budget.hold(size):
            yield
