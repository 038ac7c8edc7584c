"""The resources of a worker process: one event loop, gateway clients, the database and the object store.

Each room adds its own resources as a `Part`; the runtime knows none of them.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextvars import copy_context
from typing import Any, TypeVar, cast

from seedance.client import GatewayClient
from storage.accounts.live import LiveSettings
from storage.bucket.objects import Objects
from storage.database import Database
from storage.settings import Settings
from storage.waking.database import HintingDatabase
from worker.watching.tally import current_tally

log = logging.getLogger("reelq.worker")
T = TypeVar("T")

DATABASE_CONNECTIONS = 8
CLOSE_S = 5.0
RETIRED_S = 900.0
"""How long the client of an account that has changed stays open: longer than any batch."""


class Part:
    """The resources of one room for the life of the process; created on first use."""

    wait_s = 0.0
    """Seconds that this part's background work may take to end when the process stops."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    def drain(self) -> None:
        """Give up long work; called on the loop some time after the process was asked to stop."""

    async def close(self) -> None:
        """Close connections; called on the loop."""


P = TypeVar("P", bound=Part)


class Runtime:
    """Created once per process. Clients live on the loop's thread; tasks submit coroutines to it and wait."""

    def __init__(self, settings: Settings) -> None:
        self.live = LiveSettings(settings)
        self.outbound = settings.outbound()
        self.database: Database = HintingDatabase(settings, name="reelq worker", size=DATABASE_CONNECTIONS)
        self.objects = Objects(settings)
        self.stopping = threading.Event()
        """Set when the process is asked to stop."""
        self.queues: frozenset[str] = frozenset()
        """Those that this process takes messages from, once it does."""
        self._clients: dict[tuple[str, int | None], GatewayClient] = {}
        self._retired: list[GatewayClient] = []
        self._closing: set[asyncio.Task[None]] = set()
        self._parts: dict[type[Part], Part] = {}
        self._lock = threading.RLock()
        self._background: set[threading.Thread] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="reelq-loop", daemon=True)
        self._thread.start()

    @property
    def settings(self) -> Settings:
        """The settings with the accounts of now; see `storage.accounts.live`."""
        return self.live.current

    def part(self, kind: type[P]) -> P:
        """The only instance of a part in this process, created on first use."""
        part = self._parts.get(kind)
        if part is None:
            with self._lock:
                part = self._parts.get(kind)  # another thread may have been first
                if part is None:
                    part = self._parts[kind] = kind(self)
        return cast(P, part)

    def start(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Run a coroutine on the loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def in_background(self, name: str, work: Callable[[], None]) -> None:
        """Run long work in its own thread, so that a task can end at once; in this one where none can be started.

        The work must be safe to interrupt at any point: the process may end in the middle of it.
        """

        tally = current_tally()
        tally.hold()

        def run() -> None:
            try:
                work()
            except Exception as exc:
                log.exception("runtime.background_failed what=%s", name)
                tally.bad(name, f"{type(exc).__name__}")
            finally:
                tally.release()
                self._background.discard(threading.current_thread())

        context = copy_context()  # with the fields of its log lines
        thread = threading.Thread(target=lambda: context.run(run), name=f"reelq-{name}", daemon=True)
        self._background.add(thread)
        try:
            thread.start()
        except RuntimeError:  # no thread is left
            self._background.discard(thread)
            context.run(run)

    def client(self, account_name: str, key_id: int | None = None) -> GatewayClient | None:
        """The account's client, with the key of that number or else its present key; None: there is no such account.

        After a change the account has a new client. The one before is closed once nothing can use it any more.
        """
        account = self.settings.account_with_key(account_name, key_id)
        if account is None:
            return None
        with self._lock:
            client = self._clients.get((account_name, account.key_id))
            if client is None or client.account != account:
                if client is not None:
                    self._retired.append(client)
                    self._loop.call_soon_threadsafe(self._loop.call_later, RETIRED_S, self._close_retired, client)
                client = self._clients[account_name, account.key_id] = GatewayClient(
                    account,
                    account.dialect,
                    submit_timeout_s=self.settings.submit_timeout_seconds,
                    query_timeout_s=self.settings.query_timeout_seconds,
                    outbound=self.outbound,
                )
            return client

    def _close_retired(self, client: GatewayClient) -> None:
        self._retired.remove(client)
        task = self._loop.create_task(client.aclose())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def drain(self, within_s: float) -> None:
        """The process must end: give up work that takes longer than `within_s`, such as a copy.

        POSTs and queries are not interrupted: they have their own, shorter limits, and the outcome of a POST matters.
        """
        self.stopping.set()
        self._loop.call_soon_threadsafe(self._loop.call_later, within_s, self._drain_parts)

    def _drain_parts(self) -> None:
        for part in list(self._parts.values()):
            part.drain()

    def close(self) -> None:
        """Close connections and stop the loop; cancel everything that still runs there."""
        self.stopping.set()
        give_up = time.monotonic() + 1.0 + max((part.wait_s for part in self._parts.values()), default=0.0)
        for thread in list(self._background):
            thread.join(max(0.0, give_up - time.monotonic()))
        try:
            self.start(self._close_clients()).result(timeout=CLOSE_S)
        except TimeoutError:
            log.warning("runtime.close_timeout")
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=CLOSE_S)
        if not self._thread.is_alive():
            self._loop.close()
        self.database.close()

    async def _close_clients(self) -> None:
        running = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        for client in (*self._clients.values(), *self._retired):
            await client.aclose()
        for part in self._parts.values():
            await part.close()
        await asyncio.sleep(0.05)  # aiohttp closes its transports in the next iterations of the loop


_current: Runtime | None = None


def install(runtime: Runtime | None) -> None:
    """Make this the process's runtime; None removes it."""
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
