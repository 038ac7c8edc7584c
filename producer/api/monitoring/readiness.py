"""Whether jobs can run now. It is asked often: it is cheap, and never waits for a server that is down."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from storage import broker
from storage.broker import BrokerUnavailable
from storage.bucket.objects import Objects
from storage.bucket.requests import StoreUnavailable
from storage.database import Database, DatabaseUnavailable, current_revision, newest_revision
from storage.database_errors import first_line
from storage.heartbeats import fresh_components
from storage.settings import Settings

log = logging.getLogger("reelq.api")

CHECK_TIMEOUT_S = 3.0
FRESH_S = 15.0
"""A part that was not seen for this long, by the database's clock, counts as not running."""
MOVERS = ("scheduler", "submit", "poll", "transfer", "notify")

Missing = dict[str, str]


class Readiness:
    """The checks, with their connections."""

    def __init__(self, settings: Settings) -> None:
        self._database = Database(
            settings.require_database_url(),
            name="reelq readiness",
            size=2,
            wait_s=CHECK_TIMEOUT_S,
            prepared=settings.database_prepared_statements,
        )
        self._objects = Objects(settings)
        self._broker_url = settings.require_broker()
        self._broker = broker.client(self._broker_url, CHECK_TIMEOUT_S)
        self._checks: Mapping[str, _Check] = {
            "database": _Check("database", lambda: asyncio.to_thread(self._check_database)),
            "broker": _Check("broker", lambda: asyncio.to_thread(self._check_broker)),
            # A check of the bucket is a request to the store; its result holds for a while.
            "bucket": _Check("bucket", lambda: asyncio.to_thread(self._check_bucket), good_for_s=10.0),
        }

    async def missing(self) -> Missing:
        """Every part that does not work, and why; empty if jobs can run. Answers within a few seconds."""
        found = await asyncio.gather(*(check.missing() for check in self._checks.values()))
        return {part: text for one in found for part, text in one.items()}

    def _check_database(self) -> Missing:
        try:
            with self._database.begin() as conn:
                found, newest = current_revision(conn), newest_revision()
                if found != newest:
                    return {"database": f"the schema is {found or 'empty'}, not {newest}; run `reelq db upgrade`"}
                fresh = fresh_components(conn, FRESH_S)
        except DatabaseUnavailable as exc:
            return {"database": str(exc)}
        return {name: f"not seen in the last {FRESH_S:g} s" for name in MOVERS if name not in fresh}

    def _check_broker(self) -> Missing:
        try:
            broker.check(self._broker, self._broker_url)
        except BrokerUnavailable as exc:
            return {"broker": str(exc)}
        return {}

    def _check_bucket(self) -> Missing:
        try:
            self._objects.ensure_bucket()
        except StoreUnavailable as exc:
            return {"bucket": str(exc)}
        return {}

    async def close(self) -> None:
        """Close the connections."""
        await asyncio.to_thread(self._broker.close)
        await asyncio.to_thread(self._database.close)


class _Check:
    """One check. It runs once for all requests, and continues when they stop waiting."""

    def __init__(self, part: str, run: Callable[[], Awaitable[Missing]], *, good_for_s: float = 0.0) -> None:
        self._part = part
        self._run = run
        self._good_for_s = good_for_s
        self._good_until = 0.0
        self._task: asyncio.Future[Missing] | None = None

    async def missing(self) -> Missing:
        if time.monotonic() < self._good_until:
            return {}
        if self._task is None or self._task.done():
            self._task = asyncio.ensure_future(self._run())
        task: asyncio.Future[Any] = self._task
        done, _ = await asyncio.wait({task}, timeout=CHECK_TIMEOUT_S)
        if not done:
            return {self._part: f"did not answer within {CHECK_TIMEOUT_S:g} s"}
        try:
            found: Missing = task.result()
        except Exception as exc:  # a bug in the check: whether jobs can run is unknown
            log.exception("readiness.check_failed part=%s", self._part)
            return {self._part: f"the check failed: {type(exc).__name__}: {first_line(exc)}"}
        if not found:
            self._good_until = time.monotonic() + self._good_for_s
        return found
