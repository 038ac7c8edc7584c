"""One question for many tasks, where the gateway lists tasks by their ids."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence

from seedance.client import GatewayClient
from seedance.errors import AccountProblem, BadAnswer, ModelProblem
from seedance.gateways.base import TaskReport, TaskStatus
from worker.polling.plan import PollPlan
from worker.runtime import Runtime

log = logging.getLogger("reelq.poll")

REFUSED_FOR_S = 600.0
"""After a list that could not be had, tasks are asked about one by one for so long."""


class TaskList:
    """What one list says of the tasks of a batch; asked for when the first of them is. To be used on the loop."""

    def __init__(self, runtime: Runtime, client: GatewayClient, task_ids: Sequence[str]) -> None:
        self._runtime = runtime
        self._client = client
        most = client.dialect.capabilities().list_ids
        wanted = runtime.part(PollPlan).lists_again_at.get(client.account.name, 0.0) <= time.monotonic()
        pages = [task_ids[start : start + most] for start in range(0, len(task_ids), most)] if most and wanted else []
        self._pages = [page for page in pages if len(page) > 1]
        self._asked: dict[str, asyncio.Task[dict[str, TaskReport]]] = {}

    async def get(self, task_id: str) -> TaskReport | None:
        """What the list says of a task, None when it must be asked about by itself: because it is not listed, because
        nothing can be listed, or because it has ended in any other way than with a video. Money and the job's end hang
        on that, and the answer about the one task is the gateway's word on it.

        Raises:
            GatewayError: the gateway does not answer now; asking about each task would only make it worse.
        """
        page = next((page for page in self._pages if task_id in page), None)
        if page is None:
            return None
        if page[0] not in self._asked:
            self._asked[page[0]] = asyncio.create_task(self._list(page))
        # Others wait for the same answer: one of them that is given up must not take it along.
        report = (await asyncio.shield(self._asked[page[0]])).get(task_id)
        return report if report is not None and _says_enough(report) else None

    async def _list(self, task_ids: Sequence[str]) -> dict[str, TaskReport]:
        try:
            return await self._client.query_many(task_ids)
        except (AccountProblem, ModelProblem, BadAnswer) as exc:  # a key that may not list may still ask about one task
            log.warning("poll.no_list account=%s code=%s %s", self._client.account.name, exc.code, exc.message)
            self._runtime.part(PollPlan).lists_again_at[self._client.account.name] = time.monotonic() + REFUSED_FOR_S
            return {}


def _says_enough(report: TaskReport) -> bool:
    if report.status is TaskStatus.SUCCEEDED:
        return report.video_url is not None and report.usage is not None
    return report.status in (TaskStatus.QUEUED, TaskStatus.RUNNING)
