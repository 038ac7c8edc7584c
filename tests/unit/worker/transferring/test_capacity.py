"""Source hosts share the slots and bytes of a process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from tests.waiting import PATIENCE_S
from worker.transferring import capacity
from worker.transferring.capacity import Capacity, Line, NoRoom, Places, Shares

NORMAL, RESERVED = 32, 8


def taken(shares: Shares, host: str, stack: AsyncExitStack, *, urgent: bool = False) -> Coroutine[Any, Any, int]:
    """The number of slots that a host gets if it takes all it can."""

    async def take() -> int:
        count = 0
        while shares.fits(1, host, urgent=urgent):
            await stack.enter_async_context(shares.hold(1, host, urgent=urgent))
            count += 1
        return count

    return take()


def test_a_host_alone_gets_half_and_each_newcomer_a_share() -> None:
    async def run() -> None:
        shares = Shares(NORMAL, RESERVED)
        async with AsyncExitStack() as stack:
            assert await taken(shares, "a", stack) == 16
            assert await taken(shares, "b", stack) == 8
            counts = [await taken(shares, host, stack) for host in "cdefgh"]
            assert all(counts[:3]), "three more hosts that stall leave something"
            assert await taken(shares, "a", stack, urgent=True) == 0, "it has far more than is left"
            assert await taken(shares, "z", stack, urgent=True) > 0, "some slots are reserved for urgent videos"
        assert shares.fits(1, "a", urgent=False)

    asyncio.run(run())


def test_a_host_that_has_nothing_may_take_all_that_is_left() -> None:
    async def run() -> None:
        shares = Shares(128, 0)
        async with shares.hold(56, "a", urgent=False), shares.hold(56, "b", urgent=False):
            assert shares.fits(16, "c", urgent=False)
            assert not shares.fits(16, "a", urgent=False)
            async with shares.hold(16, "c", urgent=False):
                assert not shares.fits(1, "c", urgent=False), "nothing is left"

    asyncio.run(run())


def test_freed_slots_go_to_waiting_copies_in_order() -> None:
    async def run() -> None:
        shares = Shares(2, 0)
        done: list[str] = []

        async def copy(name: str) -> None:
            async with shares.hold(1, "a", urgent=False):
                done.append(name)
                await asyncio.sleep(0)

        async with shares.hold(1, "a", urgent=False):
            waiting = [asyncio.create_task(copy(str(number))) for number in range(5)]
            await asyncio.sleep(0.05)
            assert done == []
            waiting[1].cancel()
        await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), PATIENCE_S)
        assert done == ["0", "2", "3", "4"], "in the order of arrival"

    asyncio.run(run())


def test_a_copy_that_is_cancelled_when_its_turn_comes_gives_it_to_the_next() -> None:
    async def run() -> None:
        shares = Shares(1, 0)
        done: list[str] = []

        async def copy(name: str) -> None:
            async with shares.hold(1, "a", urgent=False):
                done.append(name)

        async with shares.hold(1, "a", urgent=False):
            first, second = (asyncio.create_task(copy(name)) for name in ("first", "second"))
            await asyncio.sleep(0)
        first.cancel()  # it has the slot, but has not run since
        await asyncio.wait_for(asyncio.wait([first, second]), PATIENCE_S)
        assert first.cancelled()
        assert done == ["second"]
        assert shares.fits(1, "a", urgent=False)

    asyncio.run(run())


def test_what_becomes_free_goes_to_the_first_whose_size_fits() -> None:
    async def run() -> None:
        shares = Shares(8, 0)
        done: list[str] = []

        async def copy(name: str, size: int, host: str) -> None:
            async with shares.hold(size, host, urgent=False):
                done.append(name)
                await asyncio.sleep(30)

        async with shares.hold(3, "a", urgent=False), shares.hold(4, "b", urgent=False):
            names = (("large", 6, "c"), ("first", 2, "d"), ("other", 2, "e"), ("second", 2, "d"))
            waiting = [asyncio.create_task(copy(*one)) for one in names]
            await asyncio.sleep(0)
            assert done == [], "one is left"
            shares.give_back(1, "b")
            await asyncio.sleep(0)
            assert done == ["first"], "the one before it is too large"
            shares.give_back(3, "b")
            await asyncio.sleep(0)
            assert done == ["first", "other"], "the next of its host has to leave as much as it takes"
            shares.take_spare(4, "b", urgent=False)
        for one in waiting:
            one.cancel()
        await asyncio.wait(waiting)
        assert shares.fits(8, "z", urgent=False)

    asyncio.run(run())


@pytest.fixture
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "PATIENCE_S", 0.05)


@pytest.mark.usefixtures("short_patience")
def test_a_copy_makes_way_only_if_others_wait_to_join_the_line() -> None:
    @asynccontextmanager
    async def full(space: Capacity) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for _ in range(16):
                await stack.enter_async_context(space.slot("a", urgent=False))
            yield

    async def run() -> None:
        space = Capacity()

        async def copy() -> None:
            async with space.slot("a", urgent=False):
                pass

        async with full(space):
            alone = asyncio.create_task(copy())
            await asyncio.sleep(0.3)
            assert not alone.done(), "it keeps waiting while no other batch waits"
            space.line.join(1000, lambda: False)
            stop = threading.Event()
            outside = threading.Thread(target=space.line.join, args=(1, stop.is_set))
            outside.start()
            with pytest.raises(NoRoom):
                await asyncio.wait_for(alone, PATIENCE_S)
            stop.set()
            await asyncio.to_thread(outside.join, PATIENCE_S)
        await asyncio.wait_for(copy(), PATIENCE_S)

    asyncio.run(run())


def in_thread(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_a_line_is_joined_when_it_is_short() -> None:
    line = Line(most=2)
    assert line.join(20, lambda: False), "a batch is never split"
    joined: list[bool] = []
    waiting = in_thread(lambda: joined.append(line.join(1, lambda: False)))
    waiting.join(0.2)
    assert line.is_crowded
    assert joined == []
    line.leave(19)
    waiting.join(PATIENCE_S)
    assert joined == [True]
    assert not line.is_crowded


def test_a_stopped_process_joins_no_line() -> None:
    line = Line(most=1)
    line.join(1, lambda: False)
    assert not line.join(1, lambda: True)
    assert not line.is_crowded


def test_each_place_is_left_once() -> None:
    line = Line(most=1)
    line.join(5, lambda: False)
    places = Places(line, 5)
    places.leave_all(but=3)
    places.leave()
    places.leave()
    assert not line.join(1, lambda: True)
    places.leave()
    for _ in range(3):
        places.leave()
        places.leave_all()
    line.join(1, lambda: False)
    assert not line.join(1, lambda: True), "each place was left once"
    Places().leave()


def test_what_is_spare_goes_to_those_who_wait_first() -> None:
    async def run() -> None:
        shares = Shares(64, 0)
        assert shares.take_spare(8, "a", urgent=False)
        assert not shares.take_spare(32, "a", urgent=False), "a host keeps to its share"
        async with shares.hold(40, "b", urgent=False):
            waiting = asyncio.create_task(held(shares, 24, "c"))
            await asyncio.sleep(0)
            assert not shares.take_spare(1, "d", urgent=False), "another waits"
            shares.give_back(8, "a")
            await asyncio.wait_for(waiting, PATIENCE_S)
            assert shares.take_spare(1, "d", urgent=False)
            shares.give_back(1, "d")
        assert shares.fits(64, "a", urgent=False)

    async def held(shares: Shares, size: int, host: str) -> None:
        async with shares.hold(size, host, urgent=False):
            pass

    asyncio.run(run())


def test_a_copy_that_is_cancelled_when_it_gets_its_share_gives_it_back() -> None:
    async def run() -> None:
        shares = Shares(2, 0)

        async def copy() -> None:
            async with shares.hold(2, "a", urgent=False):
                pytest.fail("it was cancelled")

        async with shares.hold(2, "b", urgent=False):
            waiting = asyncio.create_task(copy())
            await asyncio.sleep(0)
        waiting.cancel()  # after it was granted, before it runs
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert shares.fits(2, "c", urgent=False)

    asyncio.run(run())


def test_the_setting_bounds_all_bytes_and_a_fifth_is_for_urgent_videos() -> None:
    async def run() -> None:
        space, mib = Capacity(20 * 2**20), 2**20
        async with space.hold(16 * mib, "a", urgent=False):
            assert not space.spare("b", urgent=False).take(1)
            assert space.spare("b", urgent=True).take(4 * mib)
            assert not space.spare("b", urgent=True).take(1)

    asyncio.run(run())
