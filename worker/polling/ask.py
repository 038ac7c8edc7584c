"""Ask a gateway about the task of a job, and decide what its answer means."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from seedance.boot_clock import boottime_s
from seedance.client import GatewayClient
from seedance.errors import GatewayError, Unavailable, without_frames
from seedance.gateways.base import TaskReport
from storage.jobs.reasons import Reason
from storage.jobs.records import Work
from storage.logs.context import bind, current_celery_task
from storage.logs.story import Story
from storage.tracing.spans import span
from worker.decisions import Decision
from worker.failpoints import failpoint
from worker.polling.cancelling import ask_to_cancel, decide_cancel
from worker.polling.decisions import decide_poll
from worker.polling.plan import PollPlan
from worker.polling.task_list import TaskList
from worker.runtime import Runtime

log = logging.getLogger("reelq.poll")

SOON_S = 0.05
"""A job that was read less than this ago is as it was read."""


@dataclass(frozen=True, slots=True)
class Task:
    """The task of a job that this process has the lease on. Times are on the boot clock."""

    work: Work
    """As it was read."""
    client: GatewayClient
    read_at: float
    celery_task: UUID | None
    """The Celery task that brought it."""
    story: Story
    """Its fields in a log, wherever it is polled."""
    looks: int = 0
    """How many times it was found unfinished since it was read. None of that is written yet."""
    seen_at: float = 0.0
    """When it was found unfinished last, if it was."""

    @property
    def id(self) -> str:
        """The gateway's name of it."""
        return self.work.gateway_task_id or ""

    @property
    def age_s(self) -> float:
        """Seconds since it was submitted."""
        return (self.work.submitted_age_s or 0.0) + boottime_s() - self.read_at

    @property
    def lease_ends_at(self) -> float:
        """When another process may claim the job."""
        return self.read_at + self.work.lease_left_s

    @property
    def polled_at(self) -> datetime | None:
        """When it was found unfinished last, by the database's clock; None: it was not, since it was read."""
        return self.work.read_at + timedelta(seconds=self.seen_at - self.read_at) if self.looks else None

    def seen(self) -> Task:
        """The task, found unfinished now."""
        same = (self.work, self.client, self.read_at, self.celery_task, self.story)
        return Task(*same, self.looks + 1, boottime_s())

    def present(self) -> Work:
        """The job as it would be read now, had each of the looks been written."""
        work, now = self.work, boottime_s()
        passed_s = now - self.read_at
        if not self.looks and passed_s < SOON_S:
            return work
        now_work = work.copy()
        now_work.read_at = work.read_at + timedelta(seconds=passed_s)
        now_work.submitted_age_s = (work.submitted_age_s or 0.0) + passed_s
        now_work.deadline_in_s = _later(work.deadline_in_s, -passed_s)
        now_work.unfinished_age_s = now - self.seen_at if self.looks else _later(work.unfinished_age_s, passed_s)
        now_work.polls = work.polls + self.looks
        now_work.reason = Reason.GENERATING if self.looks else work.reason
        return now_work


def _later(seconds: float | None, passed_s: float) -> float | None:
    return None if seconds is None else seconds + passed_s


def tasks_of(client: GatewayClient, held: Sequence[Work], read_at: float | None = None) -> list[Task]:
    """The tasks of jobs that this Celery task has read. `read_at`: on the boot clock; None: just now."""
    at, celery_task = boottime_s() if read_at is None else read_at, current_celery_task()
    by = {} if celery_task is None else {"celery_task": str(celery_task)}
    return [Task(work, client, at, celery_task, by | work.story) for work in held]


@dataclass(frozen=True, slots=True)
class Polled:
    """The gateway's answer about a task, and the decision."""

    task: Task
    result: TaskReport | GatewayError
    decision: Decision


async def ask(runtime: Runtime, task: Task, task_list: TaskList) -> Polled:
    """Query a task. Use it on the event loop. A failed query is a result, too."""
    work, client = task.present(), task.client
    bind(**task.story)
    result: TaskReport | GatewayError
    with span("poll", work.traceparent, job_id=task.story["job_id"], account=client.account.name) as recorded:
        try:
            result = await task_list.get(task.id) or await client.query(task.id)
        except GatewayError as exc:
            result = without_frames(exc)
        except Exception as exc:  # a query can always be repeated
            log.exception("poll.failed job_id=%s", work.id)
            result = Unavailable(f"{type(exc).__name__}: {exc}", gateway=client.dialect.name, operation="query")
        if isinstance(result, GatewayError):
            recorded.fail(result.code)
        else:
            recorded.note(status=result.status)
    failpoint("poll.after_query")
    cancelled = await ask_to_cancel(client, work, result)
    plan = runtime.part(PollPlan)
    plan.note(client, work, result)
    pacing = plan.pacing_for(client, work.request)
    timeout_s = runtime.settings.generation_timeout_seconds
    decision = decide_poll(result, work, client.dialect, pacing, timeout_s, cancelled=cancelled)
    if work.cancel_request is not None:
        decision = decide_cancel(result, cancelled, work, decision)
    return Polled(task, result, decision)
