"""Events of tasks go to the broker once a second.

Celery gathers them until its loop turns, and turns it for each of them: two or three messages and two wake-ups a task,
which took a third of the CPU of a worker's main thread. Flower shows them a second later. Those that wait when the
connection is lost go over the next one.
"""

from __future__ import annotations

import time
from typing import Any

from celery.app import events
from celery.events import dispatcher
from celery.worker import consumer

from worker.watching.requests import unreported

GATHER_S = 1.0
AGAIN_S = 5.0
"""After a failure, how long until an event is sent again: each attempt may take `ANSWER_S` of `worker.broker`."""


class Dispatcher(dispatcher.EventDispatcher):
    """Celery's, but it takes along what waits to be sent, and the tasks that have ended and will report. It attempts
    to send an event once: Celery repeats a heartbeat until the broker answers, and the worker's main thread, which does
    this, can neither be stopped nor open another connection until then."""

    _again_at = 0.0

    def _publish(self, event: Any, producer: Any, routing_key: str, **_: Any) -> None:
        if time.monotonic() >= self._again_at:
            failed_before = len(self._outbound_buffer)
            super()._publish(event, producer, routing_key)
            if len(self._outbound_buffer) == failed_before:
                return
            self._again_at = time.monotonic() + AGAIN_S
        else:
            self._outbound_buffer.append((event, routing_key))
        if self.on_send_buffered:
            self.on_send_buffered()

    def extend_buffer(self, other: Dispatcher) -> None:
        """Take over from the dispatcher of the lost connection; the caller sends what it takes over."""
        super().extend_buffer(other)
        for request in tuple(unreported):
            request.eventer = self
        for group, waiting in other._group_buffer.items():
            self._group_buffer[group].extend(waiting)


class Events(events.Events):
    """For the app: its workers send with our dispatcher."""

    dispatcher_cls = f"{__name__}:{Dispatcher.__name__}"


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
