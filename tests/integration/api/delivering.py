"""A worker that sends webhooks while a test asks the API."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from storage.settings import Settings
from tests.integration.webhooks.test_delivery import deliver
from tests.waiting import PATIENCE_S
from worker.runtime import Runtime


@contextmanager
def delivering(settings: Settings) -> Iterator[Runtime]:
    """Send what is due until the end, in a thread."""
    runtime = Runtime(settings)
    over = threading.Event()

    def work() -> None:
        while not over.wait(0.05):
            deliver(runtime)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield runtime
    finally:
        over.set()
        thread.join(PATIENCE_S)
        runtime.close()
