"""One transaction for the jobs of requests that arrive at the same time.

A commit costs one write to disk, however many jobs it holds. Each request is answered after the commit of its job.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from producer.client import Job, Producer
from producer.http.sharing.places import Places
from producer.http.sharing.sender import sent_by
from producer.intake.intake import Batch
from storage.database import LocksHeld
from storage.jobs.records import IdempotencyConflict
from storage.tenants.purses import PurseExhausted

WRITERS = 2
"""Transactions at once, at most. Requests that arrive while one is running go into the next one; a second at once costs
more CPU than it saves time, unless the first one is slow."""
PATIENCE_S = 0.02
"""How long a request waits for a running transaction before another one begins."""
MAX_TOGETHER = 100
MAX_WAITING = 1_000
"""A tenant alone gets half of these places."""
LOCK_WAIT_S = 0.1
"""A job with a known key waits for the transaction that holds the key; the others must not wait with it."""

Stored = tuple[Job, bool]
Run = Callable[[Callable[[], Stored]], Awaitable[Stored]]


@dataclass(frozen=True, slots=True, eq=False)
class _Request:
    producer: Producer
    batch: Batch
    done: asyncio.Future[Stored]


class GroupCommit:
    """Stores jobs. `run` runs blocking work in another thread; jobs that must be stored alone go there."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._threads = ThreadPoolExecutor(WRITERS, thread_name_prefix="api-enqueue")
        self._queued: list[_Request] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers = 0
        self._places = Places(MAX_WAITING, "too many requests at once")
        self._served = ""

    async def enqueue(self, producer: Producer, fields: Mapping[str, Any]) -> Stored:
        """As `Producer.enqueue_row`.

        Raises:
            ApiProblem: too many are waiting already.
            InvalidInput, IdempotencyConflict, PurseExhausted, DatabaseUnavailable, StoreUnavailable: as there.
        """
        if fields.get("draft_of") is not None:  # its draft is looked up in the database
            return await self._run(lambda: producer.enqueue_row(fields))
        batch = producer.check_row(fields)
        if batch.files.given:  # they are looked up in the bucket first
            return await self._run(lambda: producer.store_and_show(batch)[0])
        with self._places.hold():
            waiting = _Request(producer, batch, asyncio.get_running_loop().create_future())
            self._queued.append(waiting)
            if self._writers == 0:
                self._add_writer()
            else:
                asyncio.get_running_loop().call_later(PATIENCE_S, self._hurry, waiting)
            return await waiting.done

    def close(self) -> None:
        """Start no more transactions."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _start(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _add_writer(self) -> None:
        self._writers += 1
        self._start(self._write())

    def _hurry(self, waiting: _Request) -> None:
        """Store a request that still waits beside those that are being stored."""
        if self._writers < WRITERS and waiting in self._queued:
            self._add_writer()

    async def _write(self) -> None:
        try:
            while self._queued:
                await self._store(self._next())
        finally:
            self._writers -= 1

    def _next(self) -> list[_Request]:
        """The jobs of the sender that has waited longest, as many as one transaction takes. Tenants take turns: the one
        that was served last comes again when no other waits."""
        others = (item for item in self._queued if item.producer.tenant != self._served)
        first = next(others, self._queued[0]).producer
        self._served = first.tenant
        sender = first.tenant, first.actor
        group = [item for item in self._queued if (item.producer.tenant, item.producer.actor) == sender][:MAX_TOGETHER]
        self._queued = [item for item in self._queued if item not in group]
        return group

    async def _store(self, group: list[_Request]) -> None:
        producer, files = group[0].producer, group[0].batch.files
        batch = Batch([job for item in group for job in item.batch.jobs], files)
        try:
            found = await asyncio.get_running_loop().run_in_executor(
                self._threads, lambda: producer.store_and_show(batch, lock_wait_s=LOCK_WAIT_S)
            )
        except (IdempotencyConflict, LocksHeld, PurseExhausted):  # nothing was stored; one job may be why
            with sent_by(producer.tenant):  # this task may be another tenant's
                for item in group:
                    self._start(_answer(item, self._run(lambda item=item: item.producer.store_and_show(item.batch)[0])))  # type: ignore[misc] # mypy cannot type the default
        except BaseException as exc:
            for item in group:
                _fail(item, exc)
            if not isinstance(exc, Exception):
                raise
        else:
            for item, stored in zip(group, found, strict=True):
                if not item.done.done():
                    item.done.set_result(stored)


async def _answer(item: _Request, storing: Awaitable[Stored]) -> None:
    try:
        stored = await storing
    except Exception as exc:  # noqa: BLE001 - raised again where it is waited for
        _fail(item, exc)
        return
    if not item.done.done():
        item.done.set_result(stored)


def _fail(item: _Request, exc: BaseException) -> None:
    if item.done.done():
        return
    if isinstance(exc, Exception):
        item.done.set_exception(exc)
    else:
        item.done.cancel()
