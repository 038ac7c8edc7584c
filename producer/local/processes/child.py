"""One supervised child: start it, check that it is ready, restart it when it dies, stop it."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from producer.local.errors import StackError
from producer.local.processes.spec import ChildSpec
from producer.local.servers.servers import last_log_line, spawn_options

RESTART_DELAYS_S = (0.0, 0.25, 0.5, 1.0, 2.0, 5.0)
"""The delay before each consecutive restart of a child that did not live long; the last delay repeats."""
LONG_LIFE_S = 10.0
MIN_LIFE_S = 1.0
_KILLED = (-signal.SIGKILL, -signal.SIGTERM)
READY_POLL_S = 0.05


def restart_delay_s(lives_s: list[float]) -> float:
    """Seconds to wait before the next start, given how long the last runs lived, the newest last."""
    short = 0
    for life in reversed(lives_s):
        if life >= LONG_LIFE_S:
            break
        short += 1
    return RESTART_DELAYS_S[min(max(short - 1, 0), len(RESTART_DELAYS_S) - 1)]


def _counted_life_s(life_s: float, code: int) -> float:
    """A run that was killed from outside counts as a long one, unless it was killed during its start."""
    return max(life_s, LONG_LIFE_S) if code in _KILLED and life_s >= MIN_LIFE_S else life_s


class Child:
    """A child process, kept running until `stop`.

    `on_start` is called after every start, `on_exit` with the exit status after every unexpected exit; both on the
    event loop.
    """

    def __init__(
        self,
        spec: ChildSpec,
        *,
        on_start: Callable[[Child], None] = lambda _child: None,
        on_exit: Callable[[Child, int], None] = lambda _child, _code: None,
    ) -> None:
        self.spec = spec
        self.starts = 0
        self._on_start = on_start
        self._on_exit = on_exit
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()
        self._force = asyncio.Event()
        self._killed = False
        self._lives_s: list[float] = []
        self._supervisor: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """Its process id; None while it is not running."""
        return None if self._process is None else self._process.pid

    async def start(self) -> None:
        """Start it, and restart it whenever it exits."""
        await self._spawn()
        self._supervisor = asyncio.create_task(self._supervise(), name=f"supervise {self.spec.name}")

    async def _spawn(self) -> None:
        with self.spec.log.open("ab") as log:
            options = spawn_options(self.spec, log)
            self._process = await asyncio.create_subprocess_exec(*self.spec.launch_command(), **options)
        self.starts += 1
        self._on_start(self)

    async def _supervise(self) -> None:
        while not self._stopping.is_set():
            if self._process is not None and not await self._has_exited(self._process):
                break
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), restart_delay_s(self._lives_s))
                break
            try:
                await self._spawn()
            except OSError:  # the system has no memory or no process slot at the moment
                self._lives_s = [*self._lives_s[-9:], 0.0]
        if self._process is not None:
            await self._terminate(self._process)

    async def _has_exited(self, process: asyncio.subprocess.Process) -> bool:
        """Wait until it exits; False when a stop is requested first."""
        since = time.monotonic()
        if not await _within(process.wait(), None, self._stopping):
            return False
        self._process = None
        code = process.returncode or 0
        self._lives_s = [*self._lives_s[-9:], _counted_life_s(time.monotonic() - since, code)]
        self._on_exit(self, code)
        return True

    async def wait_ready(self, timeout_s: float) -> None:
        """Wait until it is ready; failed starts are retried in the meantime.

        Raises:
            StackError: it was not ready within `timeout_s`, or it was stopped.
        """
        until = time.monotonic() + timeout_s
        while not self._stopping.is_set():
            pid = self.pid
            if pid is not None and await asyncio.to_thread(self.spec.ready, pid):
                return
            if time.monotonic() > until:
                raise StackError(
                    f"{self.spec.name} did not start within {timeout_s:g} s: {last_log_line(self.spec.log)} "
                    f"(see {self.spec.log})"
                )
            await asyncio.sleep(READY_POLL_S)
        raise StackError(f"{self.spec.name} was stopped before it was ready")

    async def stop(self, force: asyncio.Event | None = None) -> bool:
        """Stop it with its stop signal; kill it when it takes too long or `force` is set.

        Returns whether it was killed.
        """
        self._force = force or self._force
        self._stopping.set()
        if self._supervisor is not None:
            await self._supervisor
        return self._killed

    async def _terminate(self, process: asyncio.subprocess.Process) -> None:
        with suppress(ProcessLookupError):
            process.send_signal(self.spec.stop_signal)
        if not await _within(process.wait(), self.spec.stop_timeout_s, self._force):
            self._killed = True
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        self._process = None


async def _within(what: Coroutine[Any, Any, object], timeout_s: float | None, unless: asyncio.Event) -> bool:
    """Wait for a coroutine; False when the time is over or the event is set first."""
    wanted = asyncio.ensure_future(what)
    other = asyncio.ensure_future(unless.wait())
    try:
        await asyncio.wait({wanted, other}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        return wanted.done()
    finally:
        wanted.cancel()
        other.cancel()
