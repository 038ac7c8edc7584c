"""Submit: begin the attempts of a batch, POST each, and write the outcomes."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from seedance.boot_clock import boottime_s
from seedance.client import GatewayClient
from seedance.errors import GatewayError, NotTried, OutcomeUnknown, without_frames
from seedance.gateways.base import Submitted
from seedance.problems import Problem
from storage.database import Connection, DatabaseUnavailable
from storage.jobs import attempts, claims, transitions
from storage.jobs.late import settle_acceptances
from storage.jobs.reasons import Reason
from storage.jobs.records import AttemptOutcome, Move, Moved, Work
from storage.jobs.states import JobState
from storage.jobs.work import fitting, load_work
from storage.journal import rows
from storage.journal.entries import Answered
from storage.logs.context import about, bind
from storage.metrics.families import SUBMIT_SECONDS, SUBMITS
from storage.metrics.measures import Measures
from storage.tracing.spans import span
from worker.batch import run_batch, write_each
from worker.decisions import NO_ACCOUNT, Decision
from worker.failpoints import failpoint
from worker.journal import Journal
from worker.polling.pacing import PollPacing
from worker.polling.plan import PollPlan
from worker.runtime import Runtime
from worker.submitting.assets import bring_assets, sort_by_assets
from worker.submitting.begin import Interrupted, Ready, begin
from worker.submitting.circuit_breaker import Outcome, report
from worker.submitting.decisions import decide_submit, refusals_of
from worker.submitting.earlier import accepted_before, check_once_more
from worker.submitting.elsewhere import elsewhere
from worker.submitting.input_files import InputFiles, input_files
from worker.submitting.inputs import NotDeliverable, inlined
from worker.submitting.take import take, to_take
from worker.submitting.under_way import UnderWay
from worker.watching.lag import lag_of
from worker.watching.tally import current_tally

log = logging.getLogger("reelq.submit")

ACCOUNT_MISSING_S = 30.0
MAX_REQUEST_BYTES = 64 * 1024 * 1024
"""How much of requests a worker holds for one message. Fifty requests with files of 8 MiB each are 400 MiB."""


@dataclass(frozen=True, slots=True)
class Posted:
    """The result of one POST."""

    ready: Ready
    result: Submitted | GatewayError
    took_s: float | None = None
    """From the begin of the POST to its outcome; None: there was no POST."""


def submit_batch(runtime: Runtime, account: str, claimed: Sequence[tuple[UUID, int]]) -> None:
    """Submit the jobs of a claimed batch whose leases this worker still holds; give them back if it must end."""
    with runtime.part(UnderWay).of(len(claimed)) as may_begin:
        if may_begin:
            _submit(runtime, account, claimed)
            return
    with runtime.database.begin() as conn:
        claims.release(conn, claimed)


def _submit(runtime: Runtime, account: str, claimed: Sequence[tuple[UUID, int]]) -> None:
    with runtime.database.begin(planned_once=True) as conn:
        claimed, later = fitting(conn, claimed, MAX_REQUEST_BYTES)
        claims.release(conn, later)
        held = load_work(conn, JobState.QUEUED, claimed)
        lag = lag_of("submit", [work.lease_left_s for work in held], runtime.settings.lease_seconds)
        client = _client(runtime, conn, account, held)
        if client is None:
            transitions.move(conn, [_give_back(work) for work in held])
            lag.write(conn)
            return
        held = _still_granted(runtime, conn, client, held)
    failpoint("submit.after_load")
    files = input_files(runtime, held)
    found = sort_by_assets(runtime, client, held, files)
    try:
        ready = begin(runtime, client, found.ready, lag, found.usable, files)
    except Interrupted as exc:
        write_each(lambda batch: _take_back(runtime, client, batch), list(exc.begun))
        raise DatabaseUnavailable(str(exc), exc.code) from None
    failpoint("submit.after_begin")
    if ready:
        run_batch(
            runtime,
            ready,
            lambda item: _post(runtime, client, item, files),
            lambda batch: _write(runtime, client, batch),
        )
    bring_assets(runtime, client, found.waiting)


def _take_back(runtime: Runtime, client: GatewayClient, interrupted: Sequence[Ready]) -> None:
    """Write that nothing was sent for those of these attempts that were committed."""
    with runtime.database.begin() as conn:
        begun = attempts.committed(conn, [(ready.work.id, ready.attempt, ready.started_at) for ready in interrupted])
    unsent = NotTried("the database did not answer when the attempt was begun", gateway=client.dialect.name)
    if begun:
        _write(runtime, client, [Posted(ready, unsent) for ready in interrupted if ready.work.id in begun])


def _client(runtime: Runtime, conn: Connection, account: str, held: Sequence[Work]) -> GatewayClient | None:
    """The account's client, as the account is now."""
    runtime.live.ensure(conn)
    if any((work.accounts_version or 0) > runtime.live.version for work in held):
        runtime.live.refresh(conn)
    return runtime.client(account)


def _still_granted(runtime: Runtime, conn: Connection, client: GatewayClient, held: Sequence[Work]) -> list[Work]:
    """The jobs that the account may still get. The others go back to the queue: the account was paused, or may not
    serve their tenant any more."""
    settings = runtime.settings
    serves, paused = settings.serves(client.account), client.account.name in settings.book.paused
    granted = [work for work in held if not paused and work.tenant in serves]
    kept = {work.id for work in granted}
    claims.release(conn, [(work.id, work.claim) for work in held if work.id not in kept])
    return granted


async def _post(runtime: Runtime, client: GatewayClient, ready: Ready, files: InputFiles) -> Posted:
    story = ready.work.story | {"attempt": ready.attempt}
    bind(**story)
    facts = {"job_id": story["job_id"], "account": client.account.name, "model": ready.model_key}
    with span("submit", ready.work.traceparent, attempt=ready.attempt, **facts) as recorded:
        posted = await _post_once(runtime, client, ready, files)
        if isinstance(posted.result, Submitted):
            recorded.note(task_id=posted.result.task_id)
        else:
            recorded.fail(posted.result.code)
    return posted


async def _post_once(runtime: Runtime, client: GatewayClient, ready: Ready, files: InputFiles) -> Posted:
    result: Submitted | GatewayError
    began: float | None = None
    try:
        async with inlined(runtime, client, ready.request, partial(files.key, ready.work.id)) as request:
            if ready.doubtful:
                await asyncio.to_thread(check_once_more, runtime, ready.work.id)
            if boottime_s() > ready.post_before:
                raise NotTried("the lease ended before the request was sent", gateway=client.dialect.name)
            failpoint("submit.before_post")
            began = time.monotonic()
            result = await client.submit(request, ready.sent_with)
    except GatewayError as exc:
        result = without_frames(exc)
    except Exception as exc:  # the request may have been sent
        log.exception("submit.failed job_id=%s", ready.work.id)
        result = OutcomeUnknown(f"{type(exc).__name__}: {exc}", gateway=client.dialect.name)
    failpoint("submit.after_post")
    return Posted(ready, result, None if began is None else time.monotonic() - began)


def _write(runtime: Runtime, client: GatewayClient, posted: Sequence[Posted]) -> None:
    runtime.part(PollPlan).forecasts.refresh()
    pacings = [runtime.part(PollPlan).pacing_for(client, item.ready.work.request) for item in posted]
    decisions = {
        item.ready.work.id: _decide(runtime, item, pacing) for item, pacing in zip(posted, pacings, strict=True)
    }
    leased_at = boottime_s()
    with runtime.database.begin(planned_once=True) as conn:
        # The account before its jobs: the order in which schedulers lock them.
        outcomes = [Outcome(p.ready.work.id, p.ready.attempt, p.ready.model_key, p.result) for p in posted]
        report(conn, client.account, outcomes)
        refused = [item.ready for item in posted if not isinstance(item.result, Submitted)]
        decisions |= accepted_before(conn, [ready.work.id for ready in refused if ready.doubtful])
        taken = to_take(runtime, client, [item.ready for item in posted], decisions)
        written = decisions | taken
        moves = [_outcome_move(item, written[item.ready.work.id]) for item in posted]
        moved = attempts.finish_attempts(conn, [_attempt_outcome(item) for item in posted], moves)
        settle_acceptances(conn, _to_settle(posted, {item.id for item in moved}))
        lineage, answered = rows.answered(conn, [(item.ready.work.id, item.ready.attempt) for item in posted])
        known = {(entry.job_id, entry.number) for entry in answered}
        others = [item for item in posted if (item.ready.work.id, item.ready.attempt) not in known]
        theirs, without_row = rows.answered_without_row(conn, [_as_entry(item) for item in others])
        _count(client.account.name, posted).write(conn)
        failpoint("submit.before_commit")
    if lineage is not None:
        runtime.part(Journal).note(lineage, answered)
    if theirs is not None:  # the scheduler's comparison makes the row, and needs the answer
        log.warning("submit.attempts_lost jobs=%d: the database is older than they are", len(without_row))
        runtime.part(Journal).note(theirs, without_row)
    failpoint("submit.after_outcome")
    generating = {item.id: item for item in moved if item.id in taken and item.target is JobState.GENERATING}
    _take(runtime, client, posted, generating, decisions, leased_at)
    tally = current_tally()
    tally.good("accepted", sum(isinstance(item.result, Submitted) for item in posted))
    for item in posted:
        if not isinstance(item.result, Submitted):
            tally.bad(item.ready.work.id, item.result.code)


def _take(
    runtime: Runtime,
    client: GatewayClient,
    posted: Sequence[Posted],
    moved: Mapping[UUID, Moved],
    decisions: Mapping[UUID, Decision],
    leased_at: float,
) -> None:
    accepted = [
        (item.ready, item.result, found, decisions[found.id].due_in_s)
        for item in posted
        if isinstance(item.result, Submitted) and (found := moved.get(item.ready.work.id)) is not None
    ]
    take(runtime, client, accepted, leased_at)


def _count(account: str, posted: Sequence[Posted]) -> Measures:
    alike: defaultdict[tuple[str, str], list[Posted]] = defaultdict(list)
    for item in posted:
        outcome = Reason.ACCEPTED if isinstance(item.result, Submitted) else item.result.code
        alike[item.ready.model_key, outcome].append(item)
    measures = Measures()
    for (model, outcome), items in alike.items():
        measures.count(SUBMITS, account, model, outcome, by=len(items))
        if took := [item.took_s for item in items if item.took_s is not None]:
            measures.observe_all(SUBMIT_SECONDS, took, account, outcome)
    return measures


def _decide(runtime: Runtime, posted: Posted, pacing: PollPacing) -> Decision:
    """The decision about the job of a POST."""
    work, result = posted.ready.work, posted.result
    if isinstance(result, NotDeliverable) and (other := elsewhere(runtime.settings, work, str(result))) is not None:
        return other
    return decide_submit(result, refusals_of(work, result), pacing)


def _attempt_outcome(posted: Posted) -> AttemptOutcome:
    work, number, result = posted.ready.work, posted.ready.attempt, posted.result
    if isinstance(result, Submitted):
        return AttemptOutcome(work.id, number, Reason.ACCEPTED, gateway_task_id=result.task_id)
    return AttemptOutcome(work.id, number, result.code, result.status, error=result.as_dict())


def _as_entry(posted: Posted) -> Answered:
    outcome = _attempt_outcome(posted)
    return Answered(
        *(outcome.job_id, outcome.number, posted.ready.started_at),
        *(outcome.outcome, outcome.http_status, outcome.gateway_task_id),
    )


def _outcome_move(posted: Posted, decision: Decision) -> Move:
    """The outcome counts as long as this is the job's latest attempt, even if the lease has ended and the job has
    become unconfirmed: a late answer is still an answer."""
    unknown = decision.target is JobState.UNCONFIRMED
    sources = (JobState.SUBMITTING,) if unknown else (JobState.SUBMITTING, JobState.UNCONFIRMED)
    return decision.move(posted.ready.work, sources=sources, attempt=posted.ready.attempt)


def _to_settle(posted: Sequence[Posted], moved: Collection[UUID]) -> list[UUID]:
    """Jobs with another attempt that may have been accepted: they have moved on, or were sent before."""
    return [
        item.ready.work.id
        for item in posted
        if item.ready.doubtful or (isinstance(item.result, Submitted) and item.ready.work.id not in moved)
    ]


def _give_back(work: Work) -> Move:
    error = Problem("account", f"{work.account} is not in this worker's configuration; add it there")
    log.error("submit.account_missing job_id=%s %s", work.id, error, extra=about(work.story))
    return Decision(JobState.QUEUED, Reason.ACCOUNT_MISSING, ACCOUNT_MISSING_S, NO_ACCOUNT).move(work)
