"""Renew the leases of a long-running batch while its items are processed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Self
from uuid import UUID

from storage.database import DatabaseUnavailable
from storage.jobs import claims
from worker.runtime import Runtime

log = logging.getLogger("reelq.leases")


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
        while True:
            await asyncio.sleep(self._runtime.settings.lease_seconds / 3)
            try:
                await asyncio.to_thread(self._renew, list(self._open.items()))
            except DatabaseUnavailable as exc:
                log.warning("leases.not_renewed error=%s", exc)
            except Exception:
                log.exception("leases.not_renewed")  # without renewals, all of these jobs would be done again elsewhere

    def _renew(self, leases: Sequence[tuple[UUID, int]]) -> None:
        with self._runtime.database.begin() as conn:
            claims.renew(conn, leases, self._runtime.settings.lease_seconds)
