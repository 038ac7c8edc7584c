"""How many jobs this process submits at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from worker.runtime import Part, Runtime

MOST_JOBS = 800
"""With more, POSTs to a slow gateway would wait too long for one of its client's connections, and come back unsent."""


class UnderWay(Part):
    """The jobs whose messages are being worked on. Threads share it."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(runtime)
        self._jobs = 0
        self._fewer = threading.Condition()

    @contextmanager
    def of(self, jobs: int) -> Iterator[None]:
        """Wait until there is room for these jobs, or nothing else is under way."""
        with self._fewer:
            self._fewer.wait_for(lambda: not self._jobs or self._jobs + jobs <= MOST_JOBS)
            self._jobs += jobs
        try:
            yield
        finally:
            with self._fewer:
                self._jobs -= jobs
                self._fewer.notify_all()
