"""The Python client for asyncio: `from producer import AsyncProducer`.

Every rule is `Producer`'s: its methods run in threads of their own, and the event loop goes on. Two things are done by
the task itself: it pauses between two looks, so that any number of tasks may wait for jobs; and it sends the statements
that belong to a transaction of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from copy import copy
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack, overload
from uuid import UUID

from producer.client import KEEP, POOL_SIZE, Ids, Job, Producer
from producer.intake.intake import Batch
from producer.intake.terms import Terms
from producer.job_fields import JobFields
from producer.transactions import async_driver_of
from storage.callers.transaction import write_in_async
from storage.forks import renew_after_fork
from storage.settings import Settings
from storage.tenants.tenants import DEFAULT_TENANT

if TYPE_CHECKING:
    from producer.transactions import InAsyncTransaction

T = TypeVar("T")


class AsyncProducer:
    """`Producer` for asyncio; the arguments and errors are the same. Tasks and event loops may share one."""

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        local_files: bool = True,
        tenant: str = DEFAULT_TENANT,
        actor: str | None = None,
    ) -> None:
        self.blocking = Producer(settings, local_files=local_files, tenant=tenant, actor=actor)
        self._threads = _Threads()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections; the jobs continue."""
        await self._run(self.blocking.close)
        self._threads.close()

    def as_tenant(self, tenant: str, actor: str | None = None) -> Self:
        """As `Producer.as_tenant`."""
        other = copy(self)
        other.blocking = self.blocking.as_tenant(tenant, actor)
        return other

    async def enqueue(
        self, prompt: str, *, connection: InAsyncTransaction | None = None, **fields: Unpack[JobFields]
    ) -> Job:
        """As `Producer.enqueue`. `connection`: psycopg's AsyncConnection, or an AsyncSession or AsyncConnection of
        SQLAlchemy."""
        if connection is None:
            return await self._run(partial(self.blocking.enqueue, prompt, **fields))
        batch = await self._run(lambda: self.blocking.check_row({"prompt": prompt, **fields}))
        return (await self._store_in(connection, batch, None, KEEP))[0]

    async def enqueue_many(
        self,
        rows: Iterable[Mapping[str, Any]],
        campaign: str | None = None,
        *,
        budget: str | None = None,
        weight: int | None = None,
        connection: InAsyncTransaction | None = None,
    ) -> list[Job]:
        """As `Producer.enqueue_many`; `connection`: as `enqueue`."""
        if connection is None:
            work = partial(self.blocking.enqueue_many, rows, campaign, budget=budget, weight=weight)
            return await self._run(work)
        batch, terms = await self._run(lambda: self.blocking.check_rows(rows, campaign, budget, weight))
        return await self._store_in(connection, batch, campaign, terms)

    async def _store_in(
        self, connection: InAsyncTransaction, batch: Batch, campaign: str | None, terms: Terms
    ) -> list[Job]:
        write = await self._run(lambda: self.blocking.ready(batch, campaign, terms))
        search_path = await self._run(self.blocking.database.search_path)
        return await write_in_async(await async_driver_of(connection), search_path, write)

    async def get(self, job_id: UUID | str) -> Job:
        """As `Producer.get`."""
        return await self._run(lambda: self.blocking.get(job_id))

    @overload
    async def wait(self, job_id: UUID | str, timeout: float | None = None) -> Job: ...

    @overload
    async def wait(self, job_id: Ids, timeout: float | None = None) -> list[Job]: ...

    async def wait(self, job_id: UUID | str | Ids, timeout: float | None = None) -> Job | list[Job]:
        """As `Producer.wait`."""
        if isinstance(job_id, UUID | str):
            return (await self.wait((job_id,), timeout))[0]
        looks = self.blocking.looks(job_id, timeout)

        def look() -> float | list[Job]:
            try:
                return next(looks)
            except StopIteration as exc:
                found: list[Job] = exc.value
                return found

        while not isinstance(found := await self._run(look), list):  # noqa: ASYNC110 - what happens is in a database
            await asyncio.sleep(found)
        return found

    async def cancel(self, job_id: UUID | str, *, discard: bool = False) -> Job:
        """As `Producer.cancel`."""
        return await self._run(lambda: self.blocking.cancel(job_id, discard=discard))

    async def retry(self, job_id: UUID | str) -> Job:
        """As `Producer.retry`."""
        return await self._run(lambda: self.blocking.retry(job_id))

    async def finalize(self, job_id: UUID | str, *, regenerate: bool = False, **fields: Any) -> Job:
        """As `Producer.finalize`."""
        return await self._run(partial(self.blocking.finalize, job_id, regenerate=regenerate, **fields))

    async def make_playable(self, job_id: UUID | str) -> Job:
        """As `Producer.make_playable`."""
        return await self._run(lambda: self.blocking.make_playable(job_id))

    async def _run(self, work: Callable[[], T]) -> T:
        return await self._threads.run(work)


class _Threads:
    """As many threads as there are connections; a forked child has threads of its own."""

    def __init__(self) -> None:
        self.after_fork()
        renew_after_fork(self)

    def after_fork(self) -> None:
        self._executor = ThreadPoolExecutor(POOL_SIZE, thread_name_prefix="reelq-producer")

    async def run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, copy_context().run, work)

    def close(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)
