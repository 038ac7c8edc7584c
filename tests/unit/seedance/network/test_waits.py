"""Many waits with one timer end as each would with its own."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from seedance.network.waits import Waits


async def waited(waits: Waits, limit_s: float, woken_after_s: float | None = None) -> tuple[bool, float]:
    """Whether a wait was ended by a wake-up, and after how many seconds it ended."""
    loop, began = asyncio.get_running_loop(), time.monotonic()
    waiter: asyncio.Future[bool] = loop.create_future()
    waits.begin(waiter, limit_s)
    if woken_after_s is not None:
        loop.call_later(woken_after_s, waiter.set_result, True)
    try:
        return await waiter, time.monotonic() - began
    finally:
        waits.end(waiter)


def test_each_wait_ends_at_its_own_time() -> None:
    async def run() -> None:
        waits = Waits()
        for _ in range(2):  # the timer is set again after it was idle
            limits = (0.3, 0.1, 0.2, 0.1)
            for limit_s, (woken, after_s) in zip(
                limits, await asyncio.gather(*(waited(waits, limit_s) for limit_s in limits)), strict=True
            ):
                assert not woken
                assert limit_s - 0.01 < after_s < 10

    asyncio.run(run())


def test_a_wait_that_is_woken_leaves_the_others_alone() -> None:
    async def run() -> None:
        waits = Waits()
        short, long = await asyncio.gather(waited(waits, 30, woken_after_s=0.05), waited(waits, 0.2))
        assert short[0]
        assert not long[0]
        cancelled = asyncio.create_task(waited(waits, 30))
        await asyncio.sleep(0)
        cancelled.cancel()
        assert not (await waited(waits, 0.1))[0]

    asyncio.run(run())


def test_many_waits_set_one_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        loop, timers = asyncio.get_running_loop(), []
        call_at = loop.call_at

        def counted(at: float, *rest: Any) -> asyncio.TimerHandle:
            timers.append(at)
            return call_at(at, *rest)

        waits = Waits()
        monkeypatch.setattr(loop, "call_at", counted)
        for limit_s in (60, 30) * 500:
            waiter: asyncio.Future[bool] = loop.create_future()
            waits.begin(waiter, limit_s)
            waiter.set_result(True)
            waits.end(waiter)
        assert len(timers) == 2, "the second is the sooner one"

    asyncio.run(run())
