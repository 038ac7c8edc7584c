"""How many transactions store the jobs of requests at once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import pytest

from producer.client import Producer
from producer.http import group_commit
from producer.http.group_commit import GroupCommit, Stored
from producer.intake.intake import Batch
from producer.intake.uploads import LocalFiles
from tests.waiting import PATIENCE_S


class Store:
    """Stands in for a producer: its transactions take until they are let go, and it counts them."""

    tenant, actor = "default", "test"

    def __init__(self) -> None:
        self.go = threading.Event()
        self.began = threading.Semaphore(0)
        self.sizes: list[int] = []

    def check_row(self, fields: dict[str, Any]) -> Batch:
        return Batch([cast(Any, fields)], LocalFiles(Path()))

    def store_and_show(self, batch: Batch, **_: object) -> list[Stored]:
        self.sizes.append(len(batch.jobs))
        self.began.release()
        if len(self.sizes) == 1:  # the others are fast
            assert self.go.wait(PATIENCE_S)
        return [(cast(Any, job), True) for job in batch.jobs]


async def _alone(_: Callable[[], Stored]) -> Stored:
    raise AssertionError("nothing is stored alone")


def _run(work: Callable[[Callable[[int], Awaitable[Stored]], Store], Awaitable[None]]) -> None:
    async def main() -> None:
        store, commit = Store(), GroupCommit(_alone)
        try:
            await asyncio.wait_for(
                work(lambda number: commit.enqueue(cast(Producer, store), {"number": number}), store),
                PATIENCE_S,
            )
        finally:
            store.go.set()
            commit.close()

    asyncio.run(main())


def test_requests_wait_for_a_transaction_that_is_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_commit, "PATIENCE_S", PATIENCE_S)

    async def work(enqueue: Callable[[int], Awaitable[Stored]], store: Store) -> None:
        first = asyncio.ensure_future(enqueue(0))
        await asyncio.to_thread(store.began.acquire)
        others = [asyncio.ensure_future(enqueue(number)) for number in (1, 2, 3)]
        await asyncio.sleep(0)
        store.go.set()
        await asyncio.gather(first, *others)
        assert store.sizes == [1, 3]

    _run(work)


def test_a_slow_transaction_does_not_keep_others_waiting() -> None:
    async def work(enqueue: Callable[[int], Awaitable[Stored]], store: Store) -> None:
        first = asyncio.ensure_future(enqueue(0))
        await asyncio.to_thread(store.began.acquire)
        assert [job["number"] for job, _ in await asyncio.gather(enqueue(1), enqueue(2))] == [1, 2]  # type: ignore[index] # of `Store`
        assert not first.done()
        store.go.set()
        await first
        assert store.sizes == [1, 2]

    _run(work)
