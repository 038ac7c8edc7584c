"""Following the log of events once for a whole process, and waking the requests that wait for one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from producer.http.event_feed import Feed, Page, read_page
from producer.http.problems import ApiProblem
from producer.http.sharing.places import Places
from storage.database import Connection, DatabaseUnavailable
from storage.jobs.events.log import PAGE, EventLog, position_now
from storage.outages import Outage

log = logging.getLogger("reelq.api")
T = TypeVar("T")

MAX_WATCHERS = 2_000
"""Requests that wait for events; a tenant alone gets half of these places."""
_PERIOD_S = 0.25
_OUTAGE_S = 1.0


class EventHub:
    """Reads new events while requests wait for them, once for all of them, and rings their bells."""

    def __init__(self, ask: Callable[[Callable[[Connection], Any]], Awaitable[Any]]) -> None:
        self._ask = ask
        self._bells: dict[UUID | None, set[asyncio.Event]] = {}
        self._places = Places(MAX_WATCHERS, "too many clients are waiting for events", 10.0)
        self._feeds: dict[str, set[Feed]] = {}
        self._task: asyncio.Task[None] | None = None
        self._outage = Outage(log, "api.events", "streams and waiting requests go on when they can be read")

    @contextmanager
    def watch(self, job_id: UUID | None = None) -> Iterator[asyncio.Event]:
        """A bell that rings when the job (None: any job) has a new event. It may also ring without one.

        Raises:
            ApiProblem: too many are waiting already.
        """
        place = self._places.take()
        bell = asyncio.Event()
        self._bells.setdefault(job_id, set()).add(bell)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._follow())
        try:
            yield bell
        finally:
            self._places.give_back(place)
            self._bells[job_id].discard(bell)
            if not self._bells[job_id]:
                del self._bells[job_id]

    @contextmanager
    def feed(self, tenant: str) -> Iterator[Feed]:
        """The events of a tenant, while it is watched as well."""
        feed = Feed(tenant)
        self._feeds.setdefault(tenant, set()).add(feed)
        try:
            yield feed
        finally:
            self._feeds[tenant].discard(feed)
            if not self._feeds[tenant]:
                del self._feeds[tenant]

    def require_room(self) -> None:
        """Check that one more may wait.

        Raises:
            ApiProblem: too many are waiting already.
        """
        self._places.check()

    async def close(self) -> None:
        """Stop reading events."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _follow(self) -> None:
        log_of_all: EventLog | None = None
        while self._places.taken:
            tenants = frozenset(self._feeds)
            try:
                if log_of_all is None:
                    log_of_all = EventLog(await self._ask(position_now))
                    self._begin_again()  # for what happened before this position was known
                page = await self._ask(partial(read_page, log=log_of_all, tenants=tenants))
                self._outage.works()
            except (DatabaseUnavailable, ApiProblem) as exc:
                self._outage.fails(exc)
                await asyncio.sleep(_OUTAGE_S)
                continue
            except Exception as exc:  # noqa: BLE001 - requests that wait now would wait in vain for another task
                self._outage.fails(exc, trace=True)
                await asyncio.sleep(_OUTAGE_S)
                continue
            self._tell(page, tenants)
            if page.size < PAGE:
                await asyncio.sleep(_PERIOD_S)

    def _tell(self, page: Page, tenants: frozenset[str]) -> None:
        for tenant, feeds in self._feeds.items():
            for feed in feeds:
                if tenant in tenants:
                    feed.add(page.events.get(tenant, ()), page.position)
                elif page.size:  # it came while the page was being read
                    feed.lose()
        for job_id in page.job_ids:
            self._ring(job_id)
        if page.size:
            self._ring(None)

    def _begin_again(self) -> None:
        for feeds in self._feeds.values():
            for feed in feeds:
                feed.lose()
        for job_id in list(self._bells):
            self._ring(job_id)

    def _ring(self, job_id: UUID | None) -> None:
        for bell in self._bells.get(job_id, ()):
            bell.set()


async def rung(bell: asyncio.Event, timeout_s: float) -> bool:
    """Wait for a bell and reset it; False if it did not ring in time."""
    try:
        async with asyncio.timeout(max(timeout_s, 0.0)):
            await bell.wait()
    except TimeoutError:
        return False
    bell.clear()
    return True
