"""The resources that all copies of a process share: connections, memory and the poster decoder."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp

from seedance.network.time_limits import TimeLimits
from storage.bucket.connection import open_session
from worker.runtime import Part, Runtime
from worker.transferring.capacity import Capacity
from worker.transferring.fetch import Fetcher
from worker.transferring.part_buffer import Slabs
from worker.transferring.poster import Posters
from worker.transferring.store_gate import StoreGate

COPY_LIMIT_S = 3600.0


class CopyResources(Part):
    """Created once per process. Use the sessions on the event loop only."""

    wait_s = 13.0
    """More than the ten seconds in which running copies end, or are given up, when the process stops."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(runtime)
        self.fetcher = Fetcher(
            runtime.outbound,
            allow_private=runtime.settings.allow_private_networks,
            allowed=runtime.settings.allowed_networks.downloads,
        )
        self.posters = Posters(runtime.settings.poster)
        self.capacity = Capacity(runtime.settings.transfer_memory_mib * 2**20)
        self.slabs = Slabs()
        self.time_limits = TimeLimits(COPY_LIMIT_S)
        self.store_gate = StoreGate(runtime.objects, self.store)
        self.copies: set[asyncio.Task[Any]] = set()
        """Running copies."""
        self._store: aiohttp.ClientSession | None = None

    def store(self) -> aiohttp.ClientSession:
        """The session to the object store; everything else goes through `fetcher`."""
        if self._store is None:
            self._store = open_session(self.runtime.outbound)
        return self._store

    def drain(self) -> None:
        """Stop the running copies; each releases its lease."""
        for copy in self.copies:
            copy.cancel()

    async def close(self) -> None:
        await self.fetcher.close()
        if self._store is not None:
            await self._store.close()
        self.posters.close()
