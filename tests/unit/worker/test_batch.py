"""Outcomes of a batch are written together if they come within the time to gather; the last one waits for nothing."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from typing import Any, cast

import pytest

from worker.batch import run_batch
from worker.runtime import Runtime

LONG_S = 60.0


class Loop:
    """What a batch needs of the runtime: its loop."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def start(self, coroutine: Coroutine[Any, Any, Any]) -> Future[Any]:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop)


@pytest.fixture
def runtime() -> Iterator[Runtime]:
    loop = Loop()
    yield cast(Runtime, loop)
    loop.loop.call_soon_threadsafe(loop.loop.stop)
    loop.thread.join(10)
    loop.loop.close()


def test_outcomes_at_different_times_are_one_write(runtime: Runtime) -> None:
    writes: list[list[int]] = []

    async def work(number: int) -> int:
        await asyncio.sleep(number * 0.05)
        return number

    began = time.monotonic()
    run_batch(runtime, range(4), work, writes.append, LONG_S)
    assert writes == [[0, 1, 2, 3]]
    assert time.monotonic() - began < LONG_S / 2  # it did not wait on after the last one


def test_without_a_time_to_gather_each_is_written_when_it_comes(runtime: Runtime) -> None:
    writes: list[list[int]] = []
    turns = [threading.Event() for _ in range(5)]
    turns[0].set()

    async def work(number: int) -> int:
        await asyncio.to_thread(turns[number].wait, LONG_S)  # until those before are written
        return number

    def write(numbers: list[int]) -> None:
        writes.append(numbers)
        turns[numbers[-1] + 1].set()

    run_batch(runtime, range(4), work, write, 0.0)
    assert writes == [[0], [1], [2], [3]]
