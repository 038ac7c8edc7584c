"""Bound the memory of a process: how many videos it copies and how many of their bytes it holds, shared between hosts.

A host that stalls keeps its share for as long as its downloads last. So no host may take more than it leaves free:
one host alone gets half, two get a third each, and a host that has nothing can always use the rest at once.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

from storage.settings import TRANSFER_MEMORY_MIB

COPIES_AT_ONCE, URGENT_COPIES_AT_ONCE = 32, 8
BYTES_AT_ONCE = TRANSFER_MEMORY_MIB * 2**20
"""The default of the setting `transfer_memory_mib`."""
URGENT_PART = 5
"""One in five bytes is reserved for urgent videos."""
ONE_HOST_COPIES, ONE_HOST_URGENT_COPIES = COPIES_AT_ONCE // 2, URGENT_COPIES_AT_ONCE // 2
ONE_HOST_BYTES = (BYTES_AT_ONCE - BYTES_AT_ONCE // URGENT_PART) // 2
"""The most that one host alone can have: 16 copies and 64 MiB, and for urgent videos 4 copies more."""
LINE_AT_MOST = 40
"""How many claimed videos of a process may wait for a slot; while the line is full, the process takes no more."""
PATIENCE_S = 2.0
"""How long a video waits for a slot before it makes way, if others wait to join the line."""


_Kind = tuple[int, str, bool]
"""The size, host and urgency of those who wait."""


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
            self._call_one()  # there may be room for one more
            return True

    def _call_one(self) -> None:
        """Wake one of those who wait to join, if there is room: each that wakes takes the interpreter's lock."""
        if self._outside and self._waiting < self._most:
            self._changed.notify()

    def leave(self, count: int = 1) -> None:
        with self._changed:
            self._waiting -= count
            self._call_one()


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


@dataclass(slots=True, eq=False)
class _Waiter:
    """A copy that waits for a share. `turn` is done once it has it: true, or false if it must make way."""

    number: int
    """In the order of arrival."""
    turn: asyncio.Future[bool]
    makes_way: Callable[[], bool] | None
    patient_until: float
    """When to look whether it makes way."""


class Shares:
    """An amount that hosts share. The `reserved` part is for urgent videos. Use it on one event loop only."""

    def __init__(self, total: int, reserved: int) -> None:
        self._total = total
        self._reserved = reserved
        self._used = 0
        self._by_host: Counter[str] = Counter()
        self._waiting: dict[_Kind, dict[_Waiter, None]] = {}
        """Those of one size, host and urgency: the first of them stands for all, as they fit alike. None is empty."""
        self._numbers = count()
        self._timer_is_set = False

    def fits(self, size: int, host: str, *, urgent: bool) -> bool:
        """Whether a host may take `size` more now. A host that has nothing may take all that is left."""
        free = self._total + (self._reserved if urgent else 0) - self._used
        mine = self._by_host[host]
        return size <= free and (mine == 0 or mine + size <= free - size)

    def hold(self, size: int, host: str, *, urgent: bool, makes_way: Callable[[], bool] | None = None) -> _Held:
        """Wait for `size`, and hold it for the block.

        Raises:
            NoRoom: `makes_way` was true after a wait of `PATIENCE_S`.
        """
        return _Held(self, min(size, self._total), host, urgent, makes_way)

    async def take(self, size: int, host: str, *, urgent: bool, makes_way: Callable[[], bool] | None) -> None:
        """Wait for `size`; the caller gives it back.

        Raises:
            NoRoom: as `hold`.
        """
        if self.fits(size, host, urgent=urgent):
            self._take(size, host)
        else:
            await self._wait((size, host, urgent), makes_way)

    def _take(self, size: int, host: str) -> None:
        self._used += size
        self._by_host[host] += size

    def take_spare(self, size: int, host: str, *, urgent: bool) -> bool:
        """Take `size` at once if it fits and nothing waits; the caller gives it back."""
        if self._waiting or not self.fits(size, host, urgent=urgent):
            return False
        self._take(size, host)
        return True

    def give_back(self, size: int, host: str) -> None:
        """Give it to the first of those who wait that may have it. Only they wake up."""
        self._used -= size
        self._by_host[host] -= size
        if not self._by_host[host]:
            del self._by_host[host]
        while (found := self._next()) is not None:
            kind, waiter = found
            self._take(kind[0], kind[1])
            self._forget(kind, waiter)
            waiter.turn.set_result(True)

    def _next(self) -> tuple[_Kind, _Waiter] | None:
        """The first of those who wait that may have its share now."""
        found: tuple[_Kind, _Waiter] | None = None
        for kind, waiters in self._waiting.items():
            size, host, urgent = kind
            if not self.fits(size, host, urgent=urgent):
                continue
            first = next((waiter for waiter in waiters if not waiter.turn.done()), None)  # some are about to leave
            if first is not None and (found is None or first.number < found[1].number):
                found = kind, first
        return found

    def _forget(self, kind: _Kind, waiter: _Waiter) -> None:
        waiters = self._waiting[kind]
        del waiters[waiter]
        if not waiters:
            del self._waiting[kind]

    async def _wait(self, kind: _Kind, makes_way: Callable[[], bool] | None) -> None:
        loop = asyncio.get_running_loop()
        waiter = _Waiter(next(self._numbers), loop.create_future(), makes_way, loop.time() + PATIENCE_S)
        self._waiting.setdefault(kind, {})[waiter] = None
        if makes_way is not None and not self._timer_is_set:
            self._set_timer(loop, waiter.patient_until)
        turn = waiter.turn
        try:
            if await turn:
                return
        except BaseException:
            if turn.done() and not turn.cancelled() and turn.result():  # it was its turn when it was cancelled
                self.give_back(kind[0], kind[1])
            else:
                self._forget(kind, waiter)
            raise
        self._forget(kind, waiter)
        raise NoRoom

    def _set_timer(self, loop: asyncio.AbstractEventLoop, at: float) -> None:
        """One timer for all who wait: the loop must sort and remove each."""
        self._timer_is_set = True
        loop.call_at(at, self._look, loop, at)

    def _look(self, loop: asyncio.AbstractEventLoop, now: float) -> None:
        """Let those make way that have waited long enough."""
        self._timer_is_set = False
        patient = [waiter for waiters in self._waiting.values() for waiter in waiters if waiter.makes_way is not None]
        for waiter in patient:
            if waiter.patient_until <= now and waiter.makes_way is not None and not waiter.turn.done():
                waiter.patient_until = now + PATIENCE_S
                if waiter.makes_way():
                    waiter.turn.set_result(False)
        if patient:
            self._set_timer(loop, min(waiter.patient_until for waiter in patient))


class _Held:
    """A share that is held for a block. A class, because each copy has two of them: a generator costs ten times as
    much."""

    __slots__ = ("_host", "_makes_way", "_shares", "_size", "_urgent")

    def __init__(
        self, shares: Shares, size: int, host: str, urgent: bool, makes_way: Callable[[], bool] | None
    ) -> None:
        self._shares, self._size, self._host, self._urgent, self._makes_way = shares, size, host, urgent, makes_way

    async def __aenter__(self) -> None:
        await self._shares.take(self._size, self._host, urgent=self._urgent, makes_way=self._makes_way)

    async def __aexit__(self, *_: object) -> None:
        # Without an await: a cancelled copy must give back what it holds.
        self._shares.give_back(self._size, self._host)


class Spare:
    """More memory for the copy of one video, for as long as nothing else waits for it."""

    def __init__(self, shares: Shares, host: str, *, urgent: bool) -> None:
        self._shares, self._host, self._urgent = shares, host, urgent

    def take(self, size: int) -> bool:
        """Take `size` bytes at once, or none."""
        return self._shares.take_spare(size, self._host, urgent=self._urgent)

    def give_back(self, size: int) -> None:
        """Give back what was taken."""
        self._shares.give_back(size, self._host)


class Capacity:
    """The slots and bytes that the copies of a process share. Use it on one event loop only, except the line."""

    def __init__(self, bytes_at_once: int = BYTES_AT_ONCE) -> None:
        """`bytes_at_once`: the bytes of videos in memory, those for urgent ones included."""
        self.line = Line()
        self._slots = Shares(COPIES_AT_ONCE, URGENT_COPIES_AT_ONCE)
        urgent = bytes_at_once // URGENT_PART
        self._bytes = Shares(bytes_at_once - urgent, urgent)

    def slot(self, host: str, *, urgent: bool) -> _Held:
        """Wait for a slot for one copy, and hold it for the block.

        Raises:
            NoRoom: the copy makes way for others.
        """
        return self._slots.hold(1, host, urgent=urgent, makes_way=self._is_crowded)

    def hold(self, size: int, host: str, *, urgent: bool) -> _Held:
        """Wait for `size` bytes, and hold them for the block."""
        return self._bytes.hold(size, host, urgent=urgent)

    def _is_crowded(self) -> bool:
        return self.line.is_crowded

    def spare(self, host: str, *, urgent: bool) -> Spare:
        """Bytes beyond those that a copy waits for."""
        return Spare(self._bytes, host, urgent=urgent)
