"""What every route works with: the producer, the bucket, the event hub, and threads for blocking work."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from threading import Event, Thread
from typing import TypeVar

from starlette.requests import HTTPConnection

from producer.client import Producer
from producer.http.doors.auth import principal_of
from producer.http.doors.rate import Rates
from producer.http.doors.reach import StoreReach
from producer.http.events import EventHub
from producer.http.group_commit import WRITERS, GroupCommit
from producer.http.object_streams import ObjectStreams
from producer.http.problems import RETRY_AFTER_S, ApiProblem
from producer.http.sharing.fair_threads import FairThreads
from producer.http.sharing.places import Places
from producer.http.sharing.sender import OURSELVES, sent_by
from storage.accounts.live import EVERY_S
from storage.bucket.objects import Objects
from storage.database import Connection, DatabaseUnavailable
from storage.outages import Outage
from storage.revisions import too_old
from storage.settings import Settings

T = TypeVar("T")

log = logging.getLogger("reelq.accounts")

THREADS = 12
"""A tenant alone gets half of these and of the numbers below; see `Places`."""
MAX_WAITING = 512
BATCH_THREADS = 4
MAX_BATCHES = 16
UPLOAD_THREADS = 6
MAX_UPLOADS = 32
"""Bodies on disk that one process reads at the same time."""
FOLLOW_S = EVERY_S / 2
_AS_READ_LAST = "requests use them as they were read last; `reelq doctor` says what to do"


class Service:
    """One per process. Tenants share its threads and places fairly."""

    def __init__(self, settings: Settings) -> None:
        # A connection for each thread: a tenant's slow queries must not keep others waiting for one.
        threads = THREADS + BATCH_THREADS + UPLOAD_THREADS + WRITERS
        self.producer = Producer(settings, local_files=False, connections=threads)
        self.live = self.producer.live
        self.unfit: str | None = None
        """Why this program must not write to the database, and what to do: its schema is too new; None: it may."""
        self._closing = Event()
        self.objects = Objects(settings)
        self.streams = ObjectStreams(self.objects)
        self.reach = StoreReach(settings, self.objects)
        self.hub = EventHub(self._read_ourselves)
        self.rates = Rates(settings.require_broker())
        self.uploads = Places(MAX_UPLOADS, "too many uploads at once", 5.0)
        self._threads = FairThreads(THREADS, MAX_WAITING, "too many requests at once", name="api")
        # Large inputs have threads of their own, so that they do not delay other requests.
        self._batch_threads = FairThreads(
            BATCH_THREADS, MAX_BATCHES, "too many large inputs at once", name="api-batch", retry_after_s=10.0
        )
        self._upload_threads = FairThreads(UPLOAD_THREADS, MAX_WAITING, "too many requests at once", name="api-upload")
        self.together = GroupCommit(self.run)

    @property
    def settings(self) -> Settings:
        """The settings with the accounts of every tenant, as they are now."""
        return self.live.current

    def settings_for(self, tenant: str) -> Settings:
        """The same as they are for one tenant: other tenants' accounts do not exist.

        Raises:
            DatabaseUnavailable: the accounts of the database were never read.
        """
        return self.producer.as_tenant(tenant).settings

    def start(self) -> None:
        """Ask for changes of accounts and of the schema in the background, so that no request waits for them."""
        Thread(target=self._follow_database, name="api-follows", daemon=True).start()

    def check_fit(self) -> None:
        """Check that this program may write to the database, by what was known `FOLLOW_S` ago.

        Raises:
            ApiProblem: its schema is too new for this program.
        """
        if self.unfit is not None:
            headers = {"Retry-After": str(RETRY_AFTER_S)}
            raise ApiProblem(503, "schema_new", self.unfit, advice="Retry; nothing was stored.", headers=headers)

    def _follow_database(self) -> None:
        outage = Outage(log, "accounts", _AS_READ_LAST)
        while not self._closing.is_set():
            try:
                with self.producer.database.begin() as conn:
                    self._note_unfit(too_old(conn))
                    self.live.refresh(conn)
                outage.works()
            except DatabaseUnavailable as exc:
                outage.fails(exc)
            except Exception as exc:  # noqa: BLE001 - the thread must go on: what it could not read may be corrected
                outage.fails(exc, trace=True)
            self._closing.wait(FOLLOW_S)

    def _note_unfit(self, found: str | None) -> None:
        if found is not None and self.unfit is None:
            log.error("api.refuses_jobs reason=%s", found)
        self.unfit = found

    def producer_for(self, connection: HTTPConnection) -> Producer:
        """The producer of the tenant that sends the request."""
        principal = principal_of(connection)
        return self.producer.as_tenant(principal.tenant, principal.actor)

    def count_jobs(self, connection: HTTPConnection, count: int) -> None:
        """Count jobs to enqueue, if the tenant has a limit. It asks the broker, so call it in a thread.

        Raises:
            ApiProblem: they exceed the limit, or this program must not write to the database.
        """
        self.check_fit()
        principal = principal_of(connection)
        if principal.jobs_per_minute is not None:
            admitted = self.rates.take(principal.tenant, principal.jobs_per_minute, count)
            connection.state.rate_headers = admitted.headers()

    async def count_job(self, connection: HTTPConnection) -> None:
        """The same for one job, from the event loop.

        Raises:
            ApiProblem: it exceeds the limit.
        """
        if principal_of(connection).jobs_per_minute is not None:
            await self.run(lambda: self.count_jobs(connection, 1))

    async def run(self, work: Callable[[], T]) -> T:
        """Run work that blocks for a moment, in a thread.

        Raises:
            ApiProblem: too many are waiting already.
        """
        return await self._threads.run(work)

    async def run_upload(self, work: Callable[[], T]) -> T:
        """Run work that reads files and stores them, in a thread.

        Raises:
            ApiProblem: too many are waiting already.
        """
        return await self._upload_threads.run(work)

    async def run_batch(self, work: Callable[[], T]) -> T:
        """Run work that may take many seconds, in a thread.

        Raises:
            ApiProblem: too many are waiting already.
        """
        return await self._batch_threads.run(work)

    async def read(self, question: Callable[[Connection], T]) -> T:
        """Run a query, in a thread.

        Raises:
            DatabaseUnavailable: the database does not answer.
            ApiProblem: as `run`.
        """

        def ask() -> T:
            with self.producer.database.begin() as conn:
                return question(conn)

        return await self.run(ask)

    async def _read_ourselves(self, question: Callable[[Connection], T]) -> T:
        """As `read`, for work that belongs to no tenant, although a tenant's request began it."""
        with sent_by(OURSELVES):
            return await self.read(question)

    async def close(self) -> None:
        """Stop the background work and close the connections."""
        self._closing.set()
        await self.hub.close()
        await self.streams.close()
        self.together.close()
        self.rates.close()
        for threads in (self._threads, self._batch_threads, self._upload_threads):
            threads.shutdown()
        await asyncio.to_thread(self.producer.close)
