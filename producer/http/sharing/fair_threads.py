"""Threads for blocking work, shared fairly: tenants take turns, and none can use all threads or fill the queue."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, TypeVar

from producer.http.sharing.places import Places
from producer.http.sharing.sender import current_sender

T = TypeVar("T")


class FairThreads:
    """A pool of threads. Use it on one event loop."""

    def __init__(self, threads: int, waiting: int, what: str, *, name: str, retry_after_s: float = 1.0) -> None:
        """`waiting`: how much work may wait or run; `what` is in the message to clients when it is more."""
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._running = Places(threads, what)
        self._places = Places(waiting, what, retry_after_s)
        # Tenants with waiting work, the one whose turn is next first.
        self._queues: OrderedDict[str, deque[tuple[asyncio.Future[Any], Callable[[], Any]]]] = OrderedDict()

    async def run(self, work: Callable[[], T]) -> T:
        """Run work in a thread, in the context of the caller.

        Raises:
            ApiProblem: too much of the sender's tenant, or of all, is waiting already.
        """
        with self._places.hold():
            done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
            context = copy_context()
            self._queues.setdefault(current_sender(), deque()).append((done, lambda: context.run(work)))
            self._start()
            return await done

    def shutdown(self) -> None:
        """Start no more work."""
        for queue in self._queues.values():
            for done, _ in queue:
                done.cancel()
        self._queues.clear()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _start(self) -> None:
        """Start work while there are threads for it, one piece of each tenant in turn."""
        passed = 0
        while passed < len(self._queues):
            tenant, queue = next(iter(self._queues.items()))
            self._queues.move_to_end(tenant)
            if queue[0][0].done():  # the client has gone
                queue.popleft()
            elif self._running.has_room(tenant):
                self._begin(tenant, *queue.popleft())
                passed = 0
            else:
                passed += 1
            if not queue:
                del self._queues[tenant]

    def _begin(self, tenant: str, done: asyncio.Future[Any], work: Callable[[], Any]) -> None:
        self._running.take_for(tenant)

        def ended(running: asyncio.Future[Any]) -> None:
            self._running.give_back(tenant)
            self._start()
            if running.cancelled():
                done.cancel()
            elif done.done():  # the client has gone; its error is not reported
                running.exception()
            elif (error := running.exception()) is not None:
                done.set_exception(error)
            else:
                done.set_result(running.result())

        asyncio.get_running_loop().run_in_executor(self._pool, work).add_done_callback(ended)
