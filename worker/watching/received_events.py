"""Flower's thread that receives events, with a bound to how long it waits after a failure.

Flower doubles its pause with each attempt that fails and never stops doing so: after a broker that was down for ten
minutes, it would see no event for up to ten more.
"""

from __future__ import annotations

import logging
import time
from typing import Any

from celery.events import EventReceiver
from flower.events import Events

log = logging.getLogger("reelq.flower")

AGAIN_S = 3.0


class Receiver(EventReceiver):
    """Celery's, but it leaves a second attempt to the thread: it would wait up to half a minute for it."""

    connect_max_retries = 1


class ReceivedEvents(Events):
    """Flower's, but for that."""

    def run(self) -> None:
        """Receive events until the process ends."""
        while True:
            try:
                self._receive()
            except Exception as exc:  # noqa: BLE001 - whatever it was, Flower must see events again
                log.warning("flower.no_events error=%s retry_s=%g", exc, AGAIN_S)
                time.sleep(AGAIN_S)

    def _receive(self) -> None:
        """Receive until the connection fails, which raises."""
        with self.capp.connection() as connection:
            receiver: Any = Receiver(connection, handlers={"*": self.on_event}, app=self.capp)
            receiver.capture(limit=None, timeout=None, wakeup=True)
