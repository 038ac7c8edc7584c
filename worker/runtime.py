"""What a worker process keeps for its life: one event loop, clients of gateways, the database and the object store.

Each room adds what it needs itself, as a `Part`: the runtime knows none of them.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar, cast

from seedance.client import GatewayClient
from storage.bucket.objects import Objects
from storage.database import Database
from storage.settings import Settings

log = logging.getLogger("reelq.worker")
T = TypeVar("T")

DATABASE_CONNECTIONS = 8
CLOSE_S = 5.0


def boottime_s() -> float:
    """Seconds on a clock that also runs while the process or the machine is stopped."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Part:
    """What one room keeps for the life of the process: made from the runtime when it is first asked for."""

    wait_s = 0.0
    """How long background work of this part may need to end by itself when the process stops."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    def drain(self) -> None:
        """Give up what takes long; called on the loop some time after the process was told to stop."""

    async def close(self) -> None:
        """Close connections; called on the loop."""


P = TypeVar("P", bound=Part)


class Runtime:
    """Made once per process. Clients live on the loop's thread; tasks hand coroutines over and wait."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.database = Database(
            settings.require_database_url(),
            name="reelq worker",
            size=DATABASE_CONNECTIONS,
            prepared=settings.database_prepared_statements,
        )
        self.objects = Objects(settings)
        self.stopping = threading.Event()
        """Set when the process has been told to stop."""
        self._clients: dict[str, GatewayClient] = {}
        self._parts: dict[type[Part], Part] = {}
        self._lock = threading.RLock()
        self._background: set[threading.Thread] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="reelq-loop", daemon=True)
        self._thread.start()

    def part(self, kind: type[P]) -> P:
        """The process's one instance of a part."""
        with self._lock:
            found = self._parts.get(kind)
            if found is None:
                found = self._parts[kind] = kind(self)
        return cast(P, found)

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
        with self._lock:
            if account_name not in self._clients:
                self._clients[account_name] = GatewayClient(
                    account,
                    account.dialect,
                    submit_timeout_s=self.settings.submit_timeout_seconds,
                    query_timeout_s=self.settings.query_timeout_seconds,
                )
            return self._clients[account_name]

    def drain(self, within_s: float) -> None:
        """The process must end: what takes longer than that, such as a copy, is given up.

        POSTs and queries are not cut short: they have their own, shorter limits, and a POST's outcome is worth waiting
        for.
        """
        self.stopping.set()
        self._loop.call_soon_threadsafe(self._loop.call_later, within_s, self._drain_parts)

    def _drain_parts(self) -> None:
        for part in list(self._parts.values()):
            part.drain()

    def close(self) -> None:
        """Close connections and stop the loop; what is still running there is cancelled."""
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
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        for client in self._clients.values():
            await client.aclose()
        for part in self._parts.values():
            await part.close()
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
