"""Limit the jobs that this process submits at once; begin none while it stops."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from worker.runtime import Part, Runtime

MOST_JOBS = 800
"""With more, POSTs to a slow gateway would wait too long for one of its client's connections, and come back unsent."""
LOOK_S = 0.5
"""How often a message that waits looks whether the process must end."""


class UnderWay(Part):
    """The jobs whose messages are being worked on. Threads share it."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(runtime)
        self._jobs = 0
        self._fewer = threading.Condition()

    @contextmanager
    def of(self, jobs: int) -> Iterator[bool]:
        """Wait until there is room for these jobs, or nothing else is under way.

        False: do not begin them, the process must end. It waits for the answers to the POSTs that it has begun by then,
        and would be cut off before those to later ones.
        """
        if not self._enter(jobs):
            yield False
            return
        try:
            yield True
        finally:
            with self._fewer:
                self._jobs -= jobs
                self._fewer.notify_all()

    def _enter(self, jobs: int) -> bool:
        stopping = self.runtime.stopping
        with self._fewer:
            while not stopping.is_set() and self._jobs and self._jobs + jobs > MOST_JOBS:
                self._fewer.wait(LOOK_S)
            if stopping.is_set():
                return False
            self._jobs += jobs
            return True
