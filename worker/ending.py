"""End a worker or a scheduler that was asked to stop, within a time limit.

It ends by itself, in order. A server that hangs may hold that up for longer than the supervisor waits, which then kills
it without a word; so the last resort comes first, and says so.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Collection
from typing import Any

from celery import bootsteps
from celery.platforms import EX_OK

from storage.settings import Settings

log = logging.getLogger("reelq.ending")

STOP_S = 25.0
"""Time limit for the end of a process, next to the POSTs that it has begun. Supervisors wait 30 s."""


def stop_limit_s(settings: Settings, queues: Collection[str]) -> float:
    """Seconds from the signal to the end of a worker that consumes these queues. A POST that has begun is finished, as
    its outcome names what was paid for."""
    return STOP_S + (settings.submit_timeout_seconds if "submit" in queues else 0.0)


def end_in_time(stopping: threading.Event, limit_s: Callable[[], float]) -> None:
    """From now on, end this process `limit_s` seconds after `stopping` is set, if it is still there.

    What it has not written is lost, as with SIGKILL: its jobs are due when their leases end, and a POST whose outcome
    was not written is `unconfirmed`.
    """

    def watch() -> None:
        stopping.wait()
        seconds = limit_s()
        time.sleep(seconds)
        log.error(
            "stop.cut_off seconds=%g: a server holds it up, or this machine is overloaded; jobs go on when their "
            "leases end, and a POST whose outcome was not written becomes unconfirmed",
            seconds,
        )
        os._exit(1)

    threading.Thread(target=watch, name="reelq-ending", daemon=True).start()


class OneWayToStop(bootsteps.StartStopStep):
    """SIGINT and SIGQUIT stop a worker as SIGTERM does, the first time and again, whatever `REMAP_SIGTERM` is.

    Celery's own handlers wait inside the handler for tasks and for the broker, to cancel tasks that are threads here
    and cannot be cancelled; nothing could then end the process in time.
    """

    def start(self, parent: Any) -> None:
        """Replace Celery's handlers, which it installed just before."""
        from celery.apps.worker import install_worker_term_handler  # the scheduler needs none of it

        for name in ("SIGTERM", "SIGINT", "SIGQUIT"):
            install_worker_term_handler(parent, sig=name, how="Warm", callback=None, exitcode=EX_OK)
