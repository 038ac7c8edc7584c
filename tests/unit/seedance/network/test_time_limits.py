"""Many limits with one timer end as `asyncio.timeout` does."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Any

import pytest

from seedance.network.time_limits import TimeLimits


def test_each_task_is_stopped_at_its_own_time() -> None:
    async def stopped_after(limits: TimeLimits, delay_s: float) -> float:
        await asyncio.sleep(delay_s)
        began = time.monotonic()
        with pytest.raises(TimeoutError), limits.start():
            await asyncio.sleep(30)
        return time.monotonic() - began

    async def run() -> None:
        limits = TimeLimits(0.2)
        for _ in range(2):  # the timer is set again after it was idle
            with limits.start():
                pass
            for waited_s in await asyncio.gather(*(stopped_after(limits, step * 0.05) for step in range(5))):
                assert 0.19 < waited_s < 10

    asyncio.run(run())


def test_what_ends_in_time_is_left_alone() -> None:
    async def run() -> None:
        limits = TimeLimits(0.05)
        with limits.start():
            await asyncio.sleep(0)
        with pytest.raises(ValueError, match="its own"), limits.start():
            raise ValueError("its own")
        await asyncio.sleep(0.1)
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0

    asyncio.run(run())


def test_limits_set_one_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        loop, timers = asyncio.get_running_loop(), []
        call_at = loop.call_at

        def counted(at: float, *rest: Any) -> asyncio.TimerHandle:
            timers.append(at)
            return call_at(at, *rest)

        monkeypatch.setattr(loop, "call_at", counted)
        limits = TimeLimits(30)
        for _ in range(1000):
            with limits.start():
                pass
        assert len(timers) == 1

    asyncio.run(run())


def test_a_task_that_others_cancel_too_is_cancelled() -> None:
    async def run() -> None:
        limits = TimeLimits(0.05)

        async def work() -> None:
            with limits.start():
                try:
                    await asyncio.sleep(30)
                except asyncio.CancelledError:
                    task.cancel()
                    raise

        task = asyncio.create_task(work())
        with suppress(asyncio.CancelledError):
            await task
        assert task.cancelled()

    asyncio.run(run())


def test_a_cancelled_task_gets_no_time_limit_error() -> None:
    async def run() -> None:
        limits = TimeLimits(30)

        async def work() -> None:
            with limits.start():
                await asyncio.sleep(30)

        task = asyncio.create_task(work())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
