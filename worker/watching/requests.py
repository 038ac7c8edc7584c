"""Celery's request for one of our tasks: its last event says what the task achieved, when that is known.

Only the event changes. The message was acknowledged before the task began (`task_acks_late` is off), and there is no
result backend: a task that Flower shows as failed is neither repeated nor lost, and its jobs are due again as their
rows say.
"""

from __future__ import annotations

import logging
from typing import Any
from weakref import WeakSet

from celery import signals
from celery.worker.request import Request

from storage.logs.context import bind
from worker.watching.tally import Verdict, begin_tally, tally_of

log = logging.getLogger("reelq.watching")

WATCHED = "worker.watching.requests:WatchedRequest"
"""For the `Request` of a task."""


@signals.task_prerun.connect
def _begin(task_id: str, task: Any, **_: Any) -> None:
    bind(celery_task=task_id)
    if task.Request == WATCHED:
        begin_tally(task_id)


class WatchedRequest(Request):
    """Reports the tally of its task instead of the value that its function returned."""

    def send_event(self, type: str, **fields: Any) -> None:
        """Send an event; the one of success waits for the tally."""
        tally = tally_of(self.id) if type == "task-succeeded" else None
        if tally is None:
            super().send_event(type, **fields)
            return
        unreported.add(self)
        tally.when_done(self._report)

    def _report(self, verdict: Verdict) -> None:
        try:
            if verdict.failed:
                super().send_event("task-failed", exception=verdict.text, runtime=verdict.took_s)
            else:
                super().send_event("task-succeeded", result=verdict.text, runtime=verdict.took_s)
        except Exception as exc:  # noqa: BLE001 - the broker may be away, and only Flower misses it
            log.debug("watching.not_sent error=%s", exc)
        finally:
            unreported.discard(self)


unreported: WeakSet[WatchedRequest] = WeakSet()
"""Of tasks that have ended, but not their work: after a reconnection, their last event needs the new connection."""
