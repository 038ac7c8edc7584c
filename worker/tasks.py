"""The Celery tasks: a message carries an account and leases on jobs (or on webhook messages), nothing else; the rows
decide."""

from __future__ import annotations

import logging
from typing import Any
from uuid import UUID

from celery import shared_task, signals

from storage.database import DatabaseUnavailable
from worker.cleaning.counts import sweep_counts
from worker.cleaning.input_removals import sweep_inputs
from worker.cleaning.journal import sweep_journal
from worker.cleaning.removals import sweep_removals
from worker.cleaning.timelines import sweep_timelines
from worker.playable.copies import start_copy
from worker.polling.look_back import look_back_batch
from worker.polling.poll import poll_batch
from worker.polling.reconcile import reconcile_batch
from worker.runtime import current
from worker.submitting.submit import submit_batch
from worker.transferring.sweep import sweep_uploads
from worker.transferring.transfer import start_transfer
from worker.watching.requests import WATCHED
from worker.webhooks.deliver import start_notify

log = logging.getLogger("reelq.tasks")
Items = list[tuple[str, int]]

FORESEEN = (DatabaseUnavailable,)
"""What a task may raise without a traceback in the log."""


@signals.task_failure.connect
def _say(sender: Any, exception: BaseException, **_: Any) -> None:
    if isinstance(exception, FORESEEN):
        log.warning("task.not_done task=%s error=%s: what it has not done is due again soon", sender.name, exception)


def _claimed(items: Items) -> list[tuple[UUID, int]]:
    return [(UUID(job_id), claim) for job_id, claim in items]


@shared_task(name="worker.submit", Request=WATCHED, throws=FORESEEN)
def submit(account: str, items: Items) -> None:
    """Submit queued jobs to an account."""
    submit_batch(current(), account, _claimed(items))


@shared_task(name="worker.poll", Request=WATCHED, throws=FORESEEN)
def poll(account: str, items: Items) -> None:
    """Poll the tasks of an account."""
    poll_batch(current(), account, _claimed(items), hold=True)


@shared_task(name="worker.transfer", Request=WATCHED, throws=FORESEEN)
def transfer(account: str, items: Items) -> None:
    """Copy videos into the bucket. `account` is for monitoring only; a batch may contain several accounts."""
    start_transfer(current(), _claimed(items))


@shared_task(name="worker.playable", Request=WATCHED, throws=FORESEEN)
def playable(account: str, items: Items) -> None:
    """Make copies that every browser plays. `account` is for monitoring only."""
    start_copy(current(), _claimed(items))


@shared_task(name="worker.sweep", throws=FORESEEN)
def sweep() -> None:
    """Abort uploads that no worker continues; remove the files of jobs that were cancelled or deleted, and old segments
    of the journal; make and drop partitions of timelines; correct kept counts."""
    runtime = current()
    sweep_uploads(runtime.database.begin, runtime.objects)
    sweep_removals(runtime.database.begin, runtime.objects)
    sweep_journal(runtime.database.begin, runtime.objects)
    sweep_inputs(runtime.database.begin, runtime.objects, runtime.settings.keep_uploads_days or None)
    sweep_timelines(runtime.database.begin, runtime.settings)
    sweep_counts(runtime.database.begin)


@shared_task(name="worker.reconcile", throws=FORESEEN)
def reconcile(account: str, items: Items) -> None:
    """Look for the tasks of jobs whose POST may have been accepted."""
    reconcile_batch(current(), account, _claimed(items))


@shared_task(name="worker.look_back", throws=FORESEEN)
def look_back(account: str, items: Items) -> None:
    """Query tasks that were reported for attempts (job, number) whose jobs no longer wait for them."""
    look_back_batch(current(), account, _claimed(items))


@shared_task(name="worker.notify", Request=WATCHED, throws=FORESEEN)
def notify(receiver: str, items: Items) -> None:
    """Send webhook messages to a receiver. `receiver` is for monitoring only."""
    start_notify(current(), _claimed(items))
