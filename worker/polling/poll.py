"""Poll: query every task of a batch and write the results to their jobs."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from seedance.client import GatewayClient
from seedance.errors import GatewayError, Unavailable
from seedance.gateways.base import CancelOutcome, TaskReport
from storage.database import Connection
from storage.jobs import durations, transitions
from storage.jobs.records import Move, Postponement, Work
from storage.jobs.states import JobState
from storage.jobs.work import load_work
from storage.logs.context import about, bind
from storage.metrics.families import POLLS
from storage.metrics.measures import Measures
from storage.tracing.spans import span
from worker.batch import run_batch
from worker.clients import clients_of
from worker.failpoints import failpoint
from worker.polling.cancelling import ask_to_cancel, decide_cancel
from worker.polling.costs import reported_cost
from worker.polling.decisions import decide_poll, decide_without_account
from worker.polling.plan import PollPlan
from worker.polling.task_list import TaskList
from worker.runtime import Runtime
from worker.watching.lag import count_lag
from worker.watching.tally import current_tally

log = logging.getLogger("reelq.poll")


@dataclass(frozen=True, slots=True)
class Polled:
    """The gateway's answer about one task."""

    work: Work
    result: TaskReport | GatewayError
    cancelled: CancelOutcome | GatewayError | None = None
    """The answer of `ask_to_cancel`."""


def poll_batch(runtime: Runtime, account: str, claimed: Sequence[tuple[UUID, int]]) -> None:
    """Poll the jobs of a claimed batch whose leases we still hold."""
    with runtime.database.begin() as conn:
        loaded = load_work(conn, JobState.GENERATING, claimed)
        count_lag(conn, "poll", [work.lease_left_s for work in loaded], runtime.settings.lease_seconds)
        found = clients_of(runtime, conn, account, loaded)
        for client, held in found:
            if client is None:
                _without_account(runtime, conn, held)
    if loaded:
        failpoint("poll.after_load")
    for client, held in found:
        if client is not None:
            _poll(runtime, client, held)


def _poll(runtime: Runtime, client: GatewayClient, held: Sequence[Work]) -> None:
    task_list = TaskList(runtime, client, [work.gateway_task_id or "" for work in held])
    run_batch(runtime, held, lambda work: _query(client, work, task_list), lambda batch: _write(runtime, client, batch))


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


async def _query(client: GatewayClient, work: Work, task_list: TaskList) -> Polled:
    bind(**work.story)
    task_id = work.gateway_task_id or ""
    result: TaskReport | GatewayError
    with span("poll", work.traceparent, job_id=str(work.id), account=client.account.name) as recorded:
        try:
            result = await task_list.get(task_id) or await client.query(task_id)
        except GatewayError as exc:
            result = exc
        except Exception as exc:  # a query can always be repeated
            log.exception("poll.failed job_id=%s", work.id)
            result = Unavailable(f"{type(exc).__name__}: {exc}", gateway=client.dialect.name, operation="query")
        if isinstance(result, GatewayError):
            recorded.fail(result.code)
        else:
            recorded.note(status=result.status)
    failpoint("poll.after_query")
    return Polled(work, result, await ask_to_cancel(client, work, result))


def _write(runtime: Runtime, client: GatewayClient, polled: Sequence[Polled]) -> None:
    tally = current_tally()
    moves: list[Move] = []
    later: list[Postponement] = []
    measures = Measures()
    for item in polled:
        work = item.work
        pacing = runtime.part(PollPlan).pacing_for(client, work.request)
        timeout_s = runtime.settings.generation_timeout_seconds
        decision = decide_poll(item.result, work, client.dialect, pacing, timeout_s, cancelled=item.cancelled)
        if work.cancel_request is not None:
            decision = decide_cancel(item.result, item.cancelled, work, decision)
        measures.count(POLLS, client.account.name, decision.reason)
        if isinstance(item.result, GatewayError):
            tally.bad(work.id, item.result.code)
            said = (work.id, item.result.code, item.result.message)
            log.warning("poll.setback job_id=%s code=%s %s", *said, extra=about(work.story))
        else:
            tally.good("unfinished" if decision.target is JobState.GENERATING else "finished")
        if decision.target is JobState.GENERATING and decision.detail is None:
            later.append(decision.postponement(work, polls=1))
            continue
        patch = dict(decision.patch)
        if (usage := patch.get("usage")) is not None:
            patch["cost"] = reported_cost(client.account, work.request, usage)
        moves.append(decision.move(work, patch=patch))
    first = {item.work.id for item in polled if item.work.generated_age_s is None}
    with runtime.database.begin() as conn:
        moved = transitions.move(conn, moves)
        transitions.postpone(conn, later)
        generated = (item.id for item in moved if item.target is JobState.TRANSFERRING)
        durations.record(conn, [job_id for job_id in generated if job_id in first])
        measures.write(conn)
    failpoint("poll.after_write")
