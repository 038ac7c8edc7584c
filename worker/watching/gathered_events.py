"""Events of tasks go to the broker once a second.

Celery gathers them until its loop turns, and turns it for each of them: two or three messages and two wake-ups a task,
which took a third of the CPU of a worker's main thread. Flower shows them a second later.
"""

from __future__ import annotations

import time
from typing import Any

from celery.worker import consumer

GATHER_S = 1.0


class Consumer(consumer.Consumer):
    """Celery's, but for that."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self._planned_until = 0.0
        super().__init__(*args, **options)

    def on_send_event_buffered(self) -> None:
        """An event waits; any thread may say so."""
        now = time.monotonic()
        # A time, not a flag: a lost connection takes the plan with it.
        if self.hub and now >= self._planned_until:
            self._planned_until = now + GATHER_S
            # Only the loop's thread may touch its timers.
            self.hub.call_soon(self.hub.call_later, GATHER_S, self._flush_events)

    def shutdown(self) -> None:
        """End; the last events go out first."""
        self._flush_events()
        super().shutdown()
