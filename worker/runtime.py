"""What a worker process keeps for its life: one event loop, connections to gateways, database and object store."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future
from dataclasses import replace
from typing import Any, TypeVar

import aiohttp

from seedance.client import GatewayClient
from storage.bucket.objects import Objects
from storage.database import Database
from storage.jobs.durations import kind_of
from storage.settings import Settings
from worker.polling.forecasts import Forecasts
from worker.polling.pacing import PollPacing
from worker.transferring.capacity import Capacity
from worker.transferring.fetch import Fetcher
from worker.transferring.poster import Posters
from worker.webhooks.sender import WebhookSender

log = logging.getLogger("reelq.worker")
T = TypeVar("T")

DATABASE_CONNECTIONS = 8
TRANSFER_CONNECTIONS = 64
INLINE_AT_ONCE = 2
WEBHOOK_TIMEOUT_S = 15.0


def boottime_s() -> float:
    """Seconds on a clock that also runs while the process or the machine is stopped."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Runtime:
    """Made once per process. Clients live on the loop's thread; tasks hand coroutines over and wait."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.database = Database(settings.require_database_url(), name="reelq worker", size=DATABASE_CONNECTIONS)
        self.objects = Objects(settings)
        self.pacing = PollPacing(settings.poll_min_seconds, settings.poll_max_seconds)
        self.forecasts = Forecasts(self.database)
        self.inline_slots = asyncio.Semaphore(INLINE_AT_ONCE)
        """For whoever holds a whole file in memory to send it."""
        self.stopping = threading.Event()
        """Set when the process has been told to stop."""
        self.copies: set[asyncio.Task[Any]] = set()
        """Copies under way; to be touched only on the loop."""
        self.lists_again_at: dict[str, float] = {}
        """By account, when to try its list of tasks again after it was refused; on the monotonic clock."""
        self._clients: dict[str, GatewayClient] = {}
        self._clients_lock = threading.Lock()
        self._session: aiohttp.ClientSession | None = None
        self.fetcher = Fetcher(allow_private=settings.allow_private_networks)
        self.webhooks = WebhookSender(
            timeout_s=min(WEBHOOK_TIMEOUT_S, settings.lease_seconds / 3), allow_private=settings.allow_private_networks
        )
        self.posters = Posters(settings.poster)
        self.capacity = Capacity()
        self._background: set[threading.Thread] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="reelq-loop", daemon=True)
        self._thread.start()

    def start(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Run a coroutine on the loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def in_background(self, name: str, work: Callable[[], None]) -> None:
        """Do something that may take long in a thread of its own, so that a task can end at once. What it does must
        come to no harm when the process ends in the middle of it."""

        def run() -> None:
            try:
                work()
            except Exception:
                log.exception("runtime.background_failed what=%s", name)
            finally:
                self._background.discard(threading.current_thread())

        thread = threading.Thread(target=run, name=f"reelq-{name}", daemon=True)
        self._background.add(thread)
        thread.start()

    def client(self, account_name: str) -> GatewayClient | None:
        """The account's client; None when the configuration has no such account any more."""
        account = self.settings.account(account_name)
        if account is None:
            return None
        with self._clients_lock:
            if account_name not in self._clients:
                self._clients[account_name] = GatewayClient(
                    account,
                    account.dialect,
                    submit_timeout_s=self.settings.submit_timeout_seconds,
                    query_timeout_s=self.settings.query_timeout_seconds,
                )
            return self._clients[account_name]

    def pacing_for(self, client: GatewayClient, request: Mapping[str, Any]) -> PollPacing:
        """How an account's task is polled: when others of its kind were finished, if that is known, and rarely where
        the gateway calls back, for that is only the fallback."""
        calls_back = client.account.callbacks and client.dialect.capabilities().callbacks
        if calls_back and self.settings.public_url:
            return PollPacing(self.pacing.max_s, self.pacing.max_s)
        forecast = self.forecasts.get(kind_of(client.account.name, request))
        return self.pacing if forecast is None else replace(self.pacing, forecast=forecast)

    def session(self) -> aiohttp.ClientSession:
        """The session to the object store. Only to be called on the loop. What comes from elsewhere: `fetcher`."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=TRANSFER_CONNECTIONS, keepalive_timeout=30.0),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=10.0, sock_read=60.0),
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": "reelq", "Accept-Encoding": "identity"},
            )
        return self._session

    def drain(self, within_s: float) -> None:
        """The process must end: copies that are not done within so long are given up and their leases released.

        POSTs and queries are not cut short: they have their own, shorter limits, and a POST's outcome is worth waiting
        for.
        """
        self.stopping.set()
        self._loop.call_soon_threadsafe(self._loop.call_later, within_s, self._give_up_copies)

    def _give_up_copies(self) -> None:
        for copy in self.copies:
            copy.cancel()

    def close(self) -> None:
        """Close connections and stop the loop; what is still running there is cancelled."""
        self.stopping.set()
        give_up = time.monotonic() + self.webhooks.timeout_s + 1.0
        for thread in list(self._background):
            thread.join(max(0.0, give_up - time.monotonic()))
        try:
            self.start(self._close_clients()).result(timeout=5.0)
        except TimeoutError:
            log.warning("runtime.close_timeout")
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5.0)
        if not self._thread.is_alive():
            self._loop.close()
        self.posters.close()
        self.database.close()

    async def _close_clients(self) -> None:
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        for client in self._clients.values():
            await client.aclose()
        await self.fetcher.close()
        await self.webhooks.close()
        if self._session is not None:
            await self._session.close()
        await asyncio.sleep(0.05)  # lets aiohttp's transports close; they do so in the next turns of the loop


_current: Runtime | None = None


def install(runtime: Runtime | None) -> None:
    """Make this the process's runtime; None takes it away."""
    global _current
    _current = runtime


def current() -> Runtime:
    """The process's runtime.

    Raises:
        RuntimeError: the worker has not started.
    """
    if _current is None:
        raise RuntimeError("the worker's runtime has not been started (worker_init has not run)")
    return _current
