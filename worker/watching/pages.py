"""What we change in Flower: a task links to its jobs on the page, and `/metrics` needs the password too."""

from __future__ import annotations

import html
import re
from typing import Any

from flower.views.broker import BrokerView
from flower.views.monitor import Metrics
from flower.views.tasks import TaskView
from tornado import web

from worker.queues import QUEUES

_JOB = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
_MESSAGES = "worker.notify"
"""Its arguments name webhook messages."""
_BEFORE = b'<dl class="detail-list">'


def shown_task(task: Any) -> Any:
    """A task as people read it: one result, whether it succeeded or failed, and no empty values of Python. Flower
    hands over a copy of its own."""
    task.result = task.result if task.result not in (None, "None") else task.exception or ""
    task.args = "" if task.args == "()" else task.args
    task.kwargs = "" if task.kwargs == "{}" else task.kwargs
    task.exception = None
    return task


class TaskWithJobs(TaskView):
    """Flower's page of one task, with links to its jobs."""

    def render_string(self, template_name: str, **more: Any) -> bytes:
        """The page. If Flower's template changes, the row is missing and the rest is as before."""
        page: bytes = super().render_string(template_name, **more)
        task = more.get("task")
        if template_name != "task.html" or task is None:
            return page
        return page.replace(_BEFORE, _BEFORE + jobs_row(task.name, task.args, self.settings["reelq_page"]).encode(), 1)


def jobs_row(task: str | None, arguments: str | None, page: str) -> str:
    """A row of the task's table with a link for each job that its arguments name; empty without any.

    `page`: the URL of the API, without a slash at its end; empty: not known, so the ids have no link.
    """
    jobs = [] if task == _MESSAGES else list(dict.fromkeys(_JOB.findall(arguments or "")))
    if not jobs:
        return ""
    shown = (
        f'<a href="{html.escape(page)}/jobs/{job}"><code>{job}</code></a>' if page else f"<code>{job}</code>"
        for job in jobs
    )
    return f'<div class="detail-row task-data-row"><dt>Jobs</dt><dd>{"<br>".join(shown)}</dd></div>'


class EveryQueue(BrokerView):
    """Flower's page of the broker, with all of our queues also while some have no worker."""

    def get_active_queue_names(self) -> list[str]:
        """The names, in the order in which jobs pass through them, then any others."""
        return [*QUEUES, *(name for name in super().get_active_queue_names() if name not in QUEUES)]


class GuardedMetrics(Metrics):
    """Flower's metrics, which name every worker and task."""

    @web.authenticated
    async def get(self) -> None:
        """The metrics, to who has the password."""
        await super().get()
