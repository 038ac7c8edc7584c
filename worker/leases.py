"""Renew leases while what they are for takes long."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Self, TypeVar
from uuid import UUID

from storage.database import DatabaseUnavailable
from storage.jobs import claims
from worker.runtime import Runtime

log = logging.getLogger("reelq.leases")
T = TypeVar("T")


async def renewals(
    lease_s: float, renew: Callable[[], T], log: logging.Logger, event: str, *, left_s: float | None = None
) -> AsyncIterator[T]:
    """Renew every third of a lease, until cancelled; gives what each renewal returns.

    The first time comes sooner if only `left_s` seconds of the leases are left: then after half of them. `renew` runs
    in a thread. If it fails, that is logged as `event` and it is called again in its turn: without renewals, another
    worker would do the same work once more.
    """
    wait_s = lease_s / 3 if left_s is None else min(lease_s / 3, left_s / 2)
    while True:
        await asyncio.sleep(wait_s)
        wait_s = lease_s / 3
        try:
            renewed = await asyncio.to_thread(renew)
        except DatabaseUnavailable as exc:
            log.warning("%s error=%s", event, exc)
        except Exception:
            log.exception("%s", event)
        else:
            yield renewed


class KeptLeases:
    """A context manager that renews leases every third of their duration. Writing an item ends its lease. A job that
    another worker has taken over is not renewed: the row's claim has changed."""

    def __init__(self, runtime: Runtime, leases: Sequence[tuple[UUID, int]]) -> None:
        self._runtime = runtime
        self._open = dict(leases)
        self._renewal: Future[None] | None = None

    def __enter__(self) -> Self:
        self._renewal = self._runtime.start(self._keep())
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, at: TracebackType | None) -> None:
        if self._renewal is not None:
            self._renewal.cancel()

    def done(self, job_ids: Sequence[UUID]) -> None:
        """Stop renewing the leases of these items."""
        for job_id in job_ids:
            self._open.pop(job_id, None)

    async def _keep(self) -> None:
        async for _ in renewals(self._runtime.settings.lease_seconds, self._renew, log, "leases.not_renewed"):
            pass

    def _renew(self) -> None:
        with self._runtime.database.begin() as conn:
            claims.renew(conn, list(self._open.items()), self._runtime.settings.lease_seconds)
