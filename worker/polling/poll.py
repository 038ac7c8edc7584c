"""Poll: query every task of a batch; write the results to their jobs, or hold the tasks and query them again."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from uuid import UUID

from seedance.client import GatewayClient
from storage.database import Connection
from storage.jobs import transitions
from storage.jobs.records import Work
from storage.jobs.states import JobState
from storage.jobs.work import load_work
from storage.logs.context import about
from worker.batch import run_batch
from worker.clients import clients_of
from worker.failpoints import failpoint
from worker.polling.ask import Polled, Task, ask, tasks_of
from worker.polling.decisions import decide_without_account
from worker.polling.held import GATHER_S, HeldPolls
from worker.polling.plan import PollPlan
from worker.polling.task_list import TaskList
from worker.polling.write import write
from worker.runtime import Runtime
from worker.watching.lag import count_lag
from worker.watching.tally import current_tally

log = logging.getLogger("reelq.poll")


def poll_batch(runtime: Runtime, account: str, claimed: Sequence[tuple[UUID, int]], *, hold: bool = False) -> None:
    """Poll the jobs of a claimed batch whose leases we still hold. `hold`: those that are not finished may stay with
    this process, which polls them again by itself."""
    with runtime.database.begin(planned_once=True) as conn:
        loaded = load_work(conn, JobState.GENERATING, claimed)
        count_lag(conn, "poll", [work.lease_left_s for work in loaded], runtime.settings.poll_lease_seconds)
        found = clients_of(runtime, conn, account, loaded)
        for client, held in found:
            if client is None:
                _without_account(runtime, conn, held)
    if loaded:
        failpoint("poll.after_load")
    runtime.part(PollPlan).forecasts.refresh()
    for client, held in found:
        if client is not None:
            _poll(runtime, client, held, runtime.part(HeldPolls) if hold else None)


def _poll(runtime: Runtime, client: GatewayClient, held: Sequence[Work], holder: HeldPolls | None) -> None:
    task_list = TaskList(runtime, client, [work.gateway_task_id or "" for work in held])
    tally = current_tally()

    async def poll(task: Task) -> Polled | None:
        """The answer; None: the task is held."""
        if holder is not None:
            holder.drop([task.work.id])
        polled = await ask(runtime, task, task_list)
        if holder is None or not holder.hold(polled):
            return polled
        tally.good("unfinished")
        return None

    run_batch(runtime, tasks_of(client, held), poll, partial(write, runtime), GATHER_S)


def _without_account(runtime: Runtime, conn: Connection, held: Sequence[Work]) -> None:
    settings = runtime.settings
    decisions = [
        (work, decide_without_account(work, settings.generation_timeout_seconds, settings.poll_max_seconds))
        for work in held
    ]
    waiting = [(work, decision) for work, decision in decisions if decision.target is JobState.GENERATING]
    for work, _ in waiting:
        log.error(
            "poll.account_missing job_id=%s account=%s: put it back into the configuration",
            *(work.id, work.account),
            extra=about(work.story),
        )
    transitions.move(conn, [item.move(work) for work, item in decisions if item.target is not JobState.GENERATING])
    transitions.postpone(conn, [decision.postponement(work) for work, decision in waiting])
