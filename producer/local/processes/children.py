"""The children of one supervisor: start them, count restarts, stop them in order."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from producer.local.events import EventKind, StackEvent
from producer.local.processes import logs
from producer.local.processes.child import Child
from producer.local.processes.spec import ChildSpec
from producer.local.servers.servers import last_log_line

LOG_CHECK_S = 5.0


class Children:
    """A set of children, by name.

    `on_change` is called after every change of a process id.
    """

    def __init__(self, on_event: Callable[[StackEvent], None], on_change: Callable[[], None]) -> None:
        self._children: dict[str, Child] = {}
        self._on_event = on_event
        self._on_change = on_change
        self._log_trimmer: asyncio.Task[None] | None = None

    def pids(self) -> dict[str, int]:
        """The process ids of the running children."""
        return {name: child.pid for name, child in self._children.items() if child.pid is not None}

    def restarts(self) -> dict[str, int]:
        """Number of restarts of each child."""
        return {name: max(child.starts - 1, 0) for name, child in self._children.items()}

    async def start(self, *specs: ChildSpec) -> None:
        """Start these children; the logs of the last run are renamed.

        Raises:
            OSError: the program or the log cannot be opened.
        """
        for spec in specs:
            logs.begin(spec.log)
            child = Child(spec, on_start=self._started, on_exit=self._exited)
            self._children[spec.name] = child
            await child.start()
        if self._log_trimmer is None:
            self._log_trimmer = asyncio.create_task(self._trim_logs(), name="trim logs")

    async def wait_ready(self, *names: str, timeout_s: float) -> None:
        """Wait until these children are ready.

        Raises:
            StackError: as for `Child.wait_ready`.
        """
        until = time.monotonic() + timeout_s
        async with asyncio.TaskGroup() as group:
            for name in names:
                group.create_task(self._children[name].wait_ready(until - time.monotonic()))

    def _started(self, child: Child) -> None:
        kind = EventKind.STARTED if child.starts == 1 else EventKind.RESTARTED
        self._on_event(StackEvent(kind, child.spec.name, f"process {child.pid}"))
        self._on_change()

    def _exited(self, child: Child, code: int) -> None:
        how = f"exit code {code}" if code >= 0 else f"signal {-code}"
        # The last log line of a killed process does not say why it ended.
        text = how if code < 0 else f"{how}: {last_log_line(child.spec.log)}"
        self._on_event(StackEvent(EventKind.EXITED, child.spec.name, text))
        self._on_change()

    async def _trim_logs(self) -> None:
        while True:
            await asyncio.sleep(LOG_CHECK_S)
            for child in list(self._children.values()):
                await asyncio.to_thread(logs.trim, child.spec.log)

    async def stop(self, order: Sequence[Sequence[str]], force: asyncio.Event | None = None) -> None:
        """Stop all children: group by group, the members of a group together, children without a group last."""
        if self._log_trimmer is not None:
            self._log_trimmer.cancel()
            self._log_trimmer = None
        named = {name for group in order for name in group}
        rest = [name for name in self._children if name not in named]
        for group in [*order, rest]:
            present = [name for name in group if name in self._children]
            for name in present:
                self._on_event(StackEvent(EventKind.STOPPING, name))
            await asyncio.gather(*(self._stop_one(name, force) for name in present))

    async def _stop_one(self, name: str, force: asyncio.Event | None) -> None:
        child = self._children[name]
        if await child.stop(force):
            text = f"did not stop within {child.spec.stop_timeout_s:g} s"
            self._on_event(StackEvent(EventKind.KILLED, name, text))
        del self._children[name]
