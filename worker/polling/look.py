"""Look: what the gateway says about the doubts of a batch, by queries for the tasks that callbacks named and by one
survey of its list for all others."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from seedance.client import GatewayClient
from seedance.errors import GatewayError
from seedance.gateways.capabilities import ListLimits
from storage.jobs.doubts import Doubt, OpenAttempt
from worker.polling.matching import CLOCK_SKEW_S
from worker.polling.survey import WINDOW_MARGIN_S, Seen, Survey

log = logging.getLogger("reelq.reconcile")

QUERIES_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Looked:
    """What the gateway said about one doubt: the reported task is there, or what its list shows, None if it has
    none."""

    doubt: Doubt
    reported: str | None
    seen: Seen | None


class Look:
    """Questions to the gateway, shared by the doubts of a batch. To be used on the loop."""

    def __init__(self, client: GatewayClient, held: Sequence[Doubt]) -> None:
        self._client = client
        self._queries = asyncio.Semaphore(QUERIES_AT_ONCE)
        self._survey: Survey | None = None
        self._reading: asyncio.Task[None] | None = None
        limits = client.dialect.capabilities().list_limits
        within_s = None if limits is None else limits.window_s
        listed = [d for d in held if within_s is None or d.age_s < within_s - WINDOW_MARGIN_S]
        self._listed = {doubt.id: doubt for doubt in listed}
        self._limits = limits if client.account.can_list else None

    async def at(self, doubt: Doubt) -> Looked:
        """Look into one doubt. Every failure is part of what is seen."""
        task_id = doubt.reported_task_id
        if task_id is not None and await self._is_known(task_id):
            return Looked(doubt, task_id, None)
        if self._limits is None or doubt.id not in self._listed:
            return Looked(doubt, None, None)
        return Looked(doubt, None, await self._begun(self._limits).wait_for(since(doubt.attempt)))

    def _begun(self, limits: ListLimits) -> Survey:
        """The survey, begun when it is first needed: as far back as the oldest doubt that the list can show."""
        if self._survey is None:
            now = max(doubt.attempt.started_at.timestamp() + doubt.age_s for doubt in self._listed.values())
            oldest = min(since(doubt.attempt) for doubt in self._listed.values())
            self._survey = Survey(self._client, limits, oldest, now + CLOCK_SKEW_S)
            self._reading = asyncio.create_task(self._survey.read())
            self._reading.add_done_callback(_tell_failure)
        return self._survey

    async def _is_known(self, task_id: str) -> bool:
        """A callback is a hint: only the gateway's own answer to our key proves that the task is there."""
        async with self._queries:
            try:
                await self._client.query(task_id)
            except GatewayError as exc:
                log.warning("reconcile.hint_not_confirmed account=%s code=%s", self._client.account.name, exc.code)
                return False
            return True


def _tell_failure(reading: asyncio.Task[None]) -> None:
    if not reading.cancelled() and (exc := reading.exception()) is not None:
        log.error("reconcile.survey_failed", exc_info=exc)


def since(attempt: OpenAttempt) -> float:
    """The earliest time, in Unix seconds, at which an attempt's task may have been created."""
    return attempt.started_at.timestamp() - CLOCK_SKEW_S
