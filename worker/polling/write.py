"""Write what polls have found to the rows of their jobs."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from seedance.errors import GatewayError
from storage.jobs import durations, transitions
from storage.jobs.reasons import Reason
from storage.jobs.records import Move, Postponement
from storage.jobs.states import JobState
from storage.logs.context import about
from storage.metrics.families import POLLS
from storage.metrics.measures import Measures
from worker.failpoints import failpoint
from worker.polling.ask import Polled, Task
from worker.polling.costs import reported_cost
from worker.polling.plan import PollPlan
from worker.runtime import Runtime
from worker.watching.tally import current_tally

log = logging.getLogger("reelq.poll")


def write(runtime: Runtime, polled: Sequence[Polled]) -> None:
    """Write the decisions of these polls, and the looks before them that were not written."""
    tally = current_tally()
    moves: list[Move] = []
    later: list[Postponement] = []
    measures = Measures()
    for item in polled:
        work, decision, account = item.task.work, item.decision, item.task.client.account
        measures.count(POLLS, account.name, decision.reason)
        if item.task.looks:
            measures.count(POLLS, account.name, Reason.GENERATING, by=item.task.looks)
        if isinstance(item.result, GatewayError):
            tally.bad(work.id, item.result.code)
            said = (work.id, item.result.code, item.result.message)
            log.warning("poll.setback job_id=%s code=%s %s", *said, extra=about(item.task.story))
        else:
            tally.good("unfinished" if decision.target is JobState.GENERATING else "finished")
        if decision.target is JobState.GENERATING and decision.detail is None:
            later.append(_postponement(item))
        else:
            moves.append(_move(item))
    telling = _telling(runtime, polled)
    with runtime.database.begin(planned_once=True) as conn:
        moved = transitions.move(conn, moves)
        transitions.postpone(conn, later)
        generated = (item.id for item in moved if item.target is JobState.TRANSFERRING)
        durations.record(conn, [job_id for job_id in generated if job_id in telling])
        measures.write(conn)
    failpoint("poll.after_write")


def give_back(runtime: Runtime, tasks: Sequence[tuple[Task, float]]) -> None:
    """Leave tasks to others: each is due after these seconds. One that was just accepted was perhaps never polled."""
    measures = Measures()
    items = []
    for task, due_in_s in tasks:
        if task.looks:
            measures.count(POLLS, task.client.account.name, Reason.GENERATING, by=task.looks)
        items.append(
            Postponement(
                *(task.work.id, task.work.claim, due_in_s, Reason.GENERATING if task.looks else Reason.ACCEPTED),
                polls=task.looks,
                missing="" if task.looks else None,
                polled_at=task.polled_at,
            )
        )
    with runtime.database.begin(planned_once=True) as conn:
        transitions.postpone(conn, items)
        measures.write(conn)


def _telling(runtime: Runtime, polled: Sequence[Polled]) -> set[UUID]:
    """Those whose generation times are to be recorded. A link that was asked for again says nothing about them."""
    plan = runtime.part(PollPlan)
    return {
        item.task.work.id
        for item in polled
        if item.decision.target is JobState.TRANSFERRING
        and item.task.work.generated_age_s is None
        and plan.is_worth_recording(item.task.client, item.task.work.request, item.task.age_s)
    }


def _postponement(item: Polled) -> Postponement:
    task, decision = item.task, item.decision
    postponement = decision.postponement(task.work, polls=task.looks + 1)
    # An answer that finds it unfinished is of now.
    return postponement if decision.reason is Reason.GENERATING else replace(postponement, polled_at=task.polled_at)


def _move(item: Polled) -> Move:
    task, patch = item.task, dict(item.decision.patch)
    if (usage := patch.get("usage")) is not None:
        patch["cost"] = reported_cost(task.client.account, task.work.request, usage)
    if task.looks:
        patch = {"polls": task.work.polls + task.looks + 1, "polled_at": task.polled_at} | patch
    return item.decision.move(task.work, patch=patch, celery_task=task.celery_task)
