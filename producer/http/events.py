"""Following the log of events, and waking the requests that wait for one.

Events get their numbers when they are written, and become visible when they are committed. A reader that continues from
the highest number it has seen would miss an event that was committed late; `EventLog` does not.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from uuid import UUID

from producer.http.problems import ApiProblem
from producer.http.sharing.places import Places
from storage.database import Connection, DatabaseUnavailable
from storage.jobs import history

log = logging.getLogger("reelq.api")
T = TypeVar("T")

MAX_WATCHERS = 2_000
"""Requests that wait for events; a tenant alone gets half of these places."""
_PERIOD_S = 0.25
_OUTAGE_S = 1.0
_PAGE = 500


class EventLog:
    """A position in the log of all events; `after` is the number of the last event that was returned."""

    def __init__(self, after: int) -> None:
        self.after = after
        self._gap_until: int | None = None

    @property
    def waiting(self) -> bool:
        """Whether a number is missing that may still come."""
        return self._gap_until is not None

    def read(self, conn: Connection, limit: int = _PAGE) -> list[dict[str, Any]]:
        """The next events, in order and without a gap.

        A missing number belongs to a transaction that is still running, or to one that was rolled back. It is skipped
        once every transaction that was running when it was first missed has ended.
        """
        events, oldest_running = history.events_after(conn, self.after, limit)
        found = []
        for event in events:
            if event["id"] != self.after + 1:
                if self._gap_until is None:
                    self._gap_until = history.transaction_barrier(conn)
                if oldest_running < self._gap_until:
                    break
            self._gap_until = None
            self.after = event["id"]
            found.append(event)
        return found


class EventHub:
    """Reads new events while requests wait for them, once for all of them, and rings their bells."""

    def __init__(self, ask: Callable[[Callable[[Connection], Any]], Awaitable[Any]]) -> None:
        self._ask = ask
        self._bells: dict[UUID | None, set[asyncio.Event]] = {}
        self._places = Places(MAX_WATCHERS, "too many clients are waiting for events", 10.0)
        self._task: asyncio.Task[None] | None = None

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
        position: EventLog | None = None
        while self._places.taken:
            try:
                if position is None:
                    position = EventLog(await self._ask(history.last_event))
                    self._ring_all()  # for what happened before this position was known
                events = await self._ask(position.read)
            except (DatabaseUnavailable, ApiProblem) as exc:
                log.warning("api.events_unavailable %s", exc)
                await asyncio.sleep(_OUTAGE_S)
                continue
            for job_id in {event["job_id"] for event in events}:
                self._ring(job_id)
            if events:
                self._ring(None)
            if len(events) < _PAGE:
                await asyncio.sleep(_PERIOD_S)

    def _ring(self, job_id: UUID | None) -> None:
        for bell in self._bells.get(job_id, ()):
            bell.set()

    def _ring_all(self) -> None:
        for job_id in list(self._bells):
            self._ring(job_id)


async def rung(bell: asyncio.Event, timeout_s: float) -> bool:
    """Wait for a bell and reset it; False if it did not ring in time."""
    try:
        async with asyncio.timeout(max(timeout_s, 0.0)):
            await bell.wait()
    except TimeoutError:
        return False
    bell.clear()
    return True
