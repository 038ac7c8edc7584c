"""Query many tasks with one request, if the gateway lists tasks by their ids."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence

from seedance.client import GatewayClient
from seedance.errors import AccountProblem, BadAnswer, GatewayError, ModelProblem, without_frames
from seedance.gateways.base import TaskReport, TaskStatus
from worker.polling.plan import PollPlan
from worker.runtime import Runtime

log = logging.getLogger("reelq.poll")

REFUSED_FOR_S = 600.0
"""How long to query tasks one by one after the gateway refused a list."""


class TaskList:
    """The gateway's list of the tasks of a batch, requested with the first of them. Use it on the event loop only."""

    def __init__(self, runtime: Runtime, client: GatewayClient, task_ids: Sequence[str]) -> None:
        self._runtime = runtime
        self._client = client
        most = client.dialect.capabilities().list_ids
        wanted = runtime.part(PollPlan).lists_again_at.get(client.account.name, 0.0) <= time.monotonic()
        pages = [task_ids[start : start + most] for start in range(0, len(task_ids), most)] if most and wanted else []
        self._pages = [page for page in pages if len(page) > 1]
        self._asked: dict[str, asyncio.Task[dict[str, TaskReport] | GatewayError]] = {}

    async def get(self, task_id: str) -> TaskReport | None:
        """The list's report on a task; None if the task must be queried by itself.

        That is so if the task is not in the list, if the gateway gives no list, or if the task has ended in any way
        other than with a video: money and the job's end depend on that, and only the query of the task itself counts.

        Raises:
            GatewayError: the gateway does not answer now; a query for each task would only make it worse.
        """
        if not self._pages:
            return None
        page = next((page for page in self._pages if task_id in page), None)
        if page is None:
            return None
        if page[0] not in self._asked:
            self._asked[page[0]] = asyncio.create_task(self._list(page))
        # Other tasks wait for the same answer: cancelling one of them must not cancel it for all.
        listed = await asyncio.shield(self._asked[page[0]])
        if isinstance(listed, GatewayError):
            raise listed
        report = listed.get(task_id)
        return report if report is not None and _is_enough(report) else None

    async def _list(self, task_ids: Sequence[str]) -> dict[str, TaskReport] | GatewayError:
        try:
            return await self._client.query_many(task_ids)
        except (AccountProblem, ModelProblem, BadAnswer) as exc:  # a key that may not list may still query one task
            log.warning("poll.no_list account=%s code=%s %s", self._client.account.name, exc.code, exc.message)
            self._runtime.part(PollPlan).lists_again_at[self._client.account.name] = time.monotonic() + REFUSED_FOR_S
            return {}
        except GatewayError as exc:  # returned, because an asyncio task keeps the frames of what it raised, and `self`
            return without_frames(exc)


def _is_enough(report: TaskReport) -> bool:
    if report.status is TaskStatus.SUCCEEDED:
        return report.video_url is not None and report.usage is not None
    return report.status in (TaskStatus.QUEUED, TaskStatus.RUNNING)
