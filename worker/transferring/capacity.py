"""Bound the memory of a process: how many videos it copies and how many of their bytes it holds, shared between hosts.

A host that stalls keeps its share for as long as its downloads last. So no host may take more than it leaves free:
one host alone gets half, two get a third each, and a host that has nothing can always use the rest at once.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

COPIES_AT_ONCE, URGENT_COPIES_AT_ONCE = 32, 8
BYTES_AT_ONCE, URGENT_BYTES_AT_ONCE = 128 * 2**20, 32 * 2**20
ONE_HOST_COPIES, ONE_HOST_URGENT_COPIES = COPIES_AT_ONCE // 2, URGENT_COPIES_AT_ONCE // 2
ONE_HOST_BYTES = BYTES_AT_ONCE // 2
"""The most that one host alone can have: 16 copies and 64 MiB, and for urgent videos 4 copies more."""
LINE_AT_MOST = 40
"""How many claimed videos of a process may wait for a slot; while the line is full, the process takes no more."""
PATIENCE_S = 2.0
"""How long a video waits for a slot before it makes way, if others wait to join the line."""


class NoRoom(Exception):
    """The host has its full share of the slots, and videos of other hosts may be waiting; the copy was not tried."""


class Line:
    """The videos of a process that wait for a slot. Any thread may join and leave."""

    def __init__(self, most: int = LINE_AT_MOST) -> None:
        self._most = most
        self._waiting = 0
        self._outside = 0
        self._changed = threading.Condition()

    @property
    def is_crowded(self) -> bool:
        """Whether others wait to join the line."""
        return self._outside > 0

    def join(self, count: int, stopped: Callable[[], bool]) -> bool:
        """Wait until the line has room, then join it with `count` videos; False: the process was stopped first."""
        with self._changed:
            self._outside += 1
            try:
                while self._waiting >= self._most:
                    if stopped():
                        return False
                    self._changed.wait(0.5)
            finally:
                self._outside -= 1
            self._waiting += count
            return True

    def leave(self, count: int = 1) -> None:
        with self._changed:
            self._waiting -= count
            if self._outside and self._waiting < self._most:
                self._changed.notify_all()


class Places:
    """The places of a batch in the line; none without a line. A video leaves it when its copy begins or is dropped."""

    def __init__(self, line: Line | None = None, count: int = 0) -> None:
        self._line = line
        self._left = count

    def leave(self) -> None:
        self.leave_all(but=self._left - 1)

    def leave_all(self, but: int = 0) -> None:
        """Keep `but` places and leave the others."""
        leaving, self._left = max(self._left - max(but, 0), 0), min(self._left, max(but, 0))
        if self._line is not None and leaving:
            self._line.leave(leaving)


@dataclass(frozen=True, slots=True, eq=False)
class _Waiter:
    """What a copy waits for; `turn` is done once it has it."""

    size: int
    host: str
    urgent: bool
    turn: asyncio.Future[None]


class Shares:
    """An amount that hosts share. The `reserved` part is for urgent videos. Use it on one event loop only."""

    def __init__(self, total: int, reserved: int) -> None:
        self._total = total
        self._reserved = reserved
        self._used = 0
        self._by_host: Counter[str] = Counter()
        self._waiting: list[_Waiter] = []

    def fits(self, size: int, host: str, *, urgent: bool) -> bool:
        """Whether a host may take `size` more now. A host that has nothing may take all that is left."""
        free = self._total + (self._reserved if urgent else 0) - self._used
        mine = self._by_host[host]
        return size <= free and (mine == 0 or mine + size <= free - size)

    @asynccontextmanager
    async def hold(
        self, size: int, host: str, *, urgent: bool, makes_way: Callable[[], bool] | None = None
    ) -> AsyncIterator[None]:
        """Wait for `size`, and hold it for the block.

        Raises:
            NoRoom: `makes_way` was true after a wait of `PATIENCE_S`.
        """
        size = min(size, self._total)
        if self.fits(size, host, urgent=urgent):
            self._take(size, host)
        else:
            await self._wait(_Waiter(size, host, urgent, asyncio.get_running_loop().create_future()), makes_way)
        try:
            yield
        finally:
            self._give_back(size, host)  # without an await: a cancelled copy must give back what it holds

    def _take(self, size: int, host: str) -> None:
        self._used += size
        self._by_host[host] += size

    def _give_back(self, size: int, host: str) -> None:
        """Give it to the first of those who wait that may have it. Only they wake up."""
        self._used -= size
        self._by_host[host] -= size
        if not self._by_host[host]:
            del self._by_host[host]
        too_much: set[tuple[int, str, bool]] = set()
        for waiter in list(self._waiting):
            wanted = (waiter.size, waiter.host, waiter.urgent)
            if wanted in too_much:
                continue
            if not self.fits(waiter.size, waiter.host, urgent=waiter.urgent):
                too_much.add(wanted)
                continue
            self._take(waiter.size, waiter.host)
            self._waiting.remove(waiter)
            waiter.turn.set_result(None)

    async def _wait(self, waiter: _Waiter, makes_way: Callable[[], bool] | None) -> None:
        self._waiting.append(waiter)
        try:
            while not waiter.turn.done():
                await asyncio.wait([waiter.turn], timeout=None if makes_way is None else PATIENCE_S)
                if not waiter.turn.done() and makes_way is not None and makes_way():
                    raise NoRoom
        except BaseException:
            if waiter.turn.done():  # it was its turn at the moment when it was cancelled
                self._give_back(waiter.size, waiter.host)
            else:
                self._waiting.remove(waiter)
            raise


class Capacity:
    """The slots and bytes that the copies of a process share. Use it on one event loop only, except the line."""

    def __init__(self) -> None:
        self.line = Line()
        self._slots = Shares(COPIES_AT_ONCE, URGENT_COPIES_AT_ONCE)
        self._bytes = Shares(BYTES_AT_ONCE, URGENT_BYTES_AT_ONCE)

    @asynccontextmanager
    async def slot(self, host: str, *, urgent: bool) -> AsyncIterator[None]:
        """Wait for a slot for one copy, and hold it for the block.

        Raises:
            NoRoom: the copy makes way for others.
        """
        async with self._slots.hold(1, host, urgent=urgent, makes_way=lambda: self.line.is_crowded):
            yield

    @asynccontextmanager
    async def hold(self, size: int, host: str, *, urgent: bool) -> AsyncIterator[None]:
        """Wait for `size` bytes, and hold them for the block."""
        async with self._bytes.hold(size, host, urgent=urgent):
            yield
