"""Stop a scheduler by a signal without closing what its thread is using at that moment.

Celery's own handler closes the scheduler first, in the middle of whatever runs: a statement, a wait for the broker. The
error that follows takes the place of `SystemExit`, and a tick that goes on after errors goes on for ever.
"""

from __future__ import annotations

import signal
import threading
from typing import Any, NoReturn

from celery.beat import Service

from worker.ending import STOP_S, end_in_time

_STOPPING = (signal.SIGTERM, signal.SIGINT)


def stop_by_signals(sender: Service, **_: Any) -> None:
    """For Celery's signal `beat_init`: let SIGTERM and SIGINT end beat's loop, which then closes the scheduler."""

    def stop(*_: object) -> NoReturn:
        # For an interrupted function that swallows the exception, as destructors do: the loop ends after this tick.
        sender._is_shutdown.set()
        raise SystemExit

    if threading.current_thread() is threading.main_thread():
        end_in_time(sender._is_shutdown, lambda: STOP_S)
        for number in _STOPPING:
            signal.signal(number, stop)
