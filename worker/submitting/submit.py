"""Submit: begin the attempts of a batch, POST each, and write what became of it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from seedance.client import GatewayClient
from seedance.errors import GatewayError, NotTried, OutcomeUnknown
from seedance.gateways.base import AttemptOptions, Submitted
from seedance.problems import InvalidInput, Problem
from seedance.request import GenerationRequest, parse_request
from storage.bucket.requests import StoreUnavailable
from storage.jobs import attempts, transitions
from storage.jobs.reasons import Reason
from storage.jobs.records import AttemptOutcome, Correlation, Move, Work
from storage.jobs.states import JobState
from storage.jobs.work import load_work
from worker.batch import run_batch
from worker.decisions import NO_ACCOUNT, Decision, fail
from worker.failpoints import failpoint
from worker.polling.pacing import PollPacing
from worker.polling.plan import PollPlan
from worker.runtime import Runtime, boottime_s
from worker.submitting.adopt import adopt_accepted
from worker.submitting.assets import bring_assets, sort_by_assets
from worker.submitting.circuit_breaker import Outcome, report
from worker.submitting.correlation import RANDOM_SEED, correlate
from worker.submitting.decisions import decide_submit, refusals_of
from worker.submitting.elsewhere import elsewhere
from worker.submitting.inputs import NotDeliverable, inlined, with_inputs

log = logging.getLogger("reelq.submit")

ACCOUNT_MISSING_S = 30.0


@dataclass(frozen=True, slots=True)
class Ready:
    """A job whose attempt is committed: the POST may be made."""

    work: Work
    request: GenerationRequest
    attempt: int
    model_key: str
    """Under which model its health and limits are kept."""
    sent_with: AttemptOptions
    post_before: float
    """On the boot clock; after it the lease may be over and somebody else may have decided about the job."""


@dataclass(frozen=True, slots=True)
class Posted:
    """What came of one POST."""

    ready: Ready
    result: Submitted | GatewayError


def submit_batch(runtime: Runtime, account: str, claimed: Sequence[tuple[UUID, int]]) -> None:
    """Submit what is still ours of a claimed batch."""
    client = runtime.client(account)
    with runtime.database.begin() as conn:
        held = load_work(conn, JobState.QUEUED, claimed)
        if client is None:
            transitions.move(conn, [_give_back(work) for work in held])
            return
    failpoint("submit.after_load")
    held = adopt_accepted(runtime, held)
    found = sort_by_assets(runtime, client, held)
    ready = begin(runtime, client, found.ready, found.usable)
    failpoint("submit.after_begin")
    if ready:
        run_batch(
            runtime, ready, lambda item: _post(runtime, client, item), lambda batch: _write(runtime, client, batch)
        )
    bring_assets(runtime, client, found.waiting)


def begin(
    runtime: Runtime, client: GatewayClient, held: Sequence[Work], assets: Mapping[str, str] | None = None
) -> list[Ready]:
    """Commit an attempt for every job that may be sent; those that may not end here.

    `assets`: `asset://ID` by reference, for the files that the account has.
    """
    begun_at = boottime_s()
    lease_s = runtime.settings.lease_seconds
    requests: dict[UUID, GenerationRequest] = {}
    sent_with: dict[UUID, AttemptOptions] = {}
    correlations: dict[UUID, Correlation] = {}
    ended: list[Move] = []
    begins: list[Move] = []
    for work in held:
        prepared = _prepare(runtime, client, work, assets or {})
        if isinstance(prepared, Decision):
            ended.append(prepared.move(work))
            continue
        requests[work.id] = prepared
        sent_with[work.id], correlations[work.id] = correlate(client, prepared, runtime.settings, work.deadline_in_s)
        patch = {"gateway": client.dialect.name, "model": client.dialect.model_for(prepared)}
        begins.append(
            Move(
                work.id,
                (JobState.QUEUED,),
                JobState.SUBMITTING,
                Reason.SUBMIT,
                work.claim,
                due_in_s=lease_s,
                patch=patch,
            )
        )
    with runtime.database.begin() as conn:
        transitions.move(conn, ended)
        begun = {item.id: item.attempt for item in attempts.begin_attempts(conn, begins, correlations)}
    post_before = begun_at + lease_s - runtime.settings.submit_timeout_seconds
    return [
        Ready(work, requests[work.id], begun[work.id], correlations[work.id].model_key, sent_with[work.id], post_before)
        for work in held
        if work.id in begun
    ]


def _prepare(
    runtime: Runtime, client: GatewayClient, work: Work, assets: Mapping[str, str]
) -> GenerationRequest | Decision:
    if work.deadline_in_s is not None and work.deadline_in_s <= 0:
        return fail(
            Reason.DEADLINE_EXCEEDED, "the deadline passed before a slot was free; nothing was submitted or billed"
        )
    try:
        request = parse_request(work.request)
        if refusals := client.dialect.refusals(request):
            raise InvalidInput(refusals)
        request = with_inputs(runtime, client, request, assets)
    except InvalidInput as exc:
        return elsewhere(runtime.settings, work, str(exc)) or fail(Reason.INVALID_REQUEST, str(exc))
    except StoreUnavailable as exc:  # no link to a file can be signed
        return decide_submit(
            NotTried(str(exc), gateway=client.dialect.name), work.refusals, runtime.part(PollPlan).pacing
        )
    if request.seed == RANDOM_SEED:  # the same as none, and an attempt may bring one of its own
        request = request.model_copy(update={"seed": None})
    return request


async def _post(runtime: Runtime, client: GatewayClient, ready: Ready) -> Posted:
    result: Submitted | GatewayError
    try:
        async with inlined(runtime, client, ready.request) as request:
            if boottime_s() > ready.post_before:
                raise NotTried("the lease was over before the request was made", gateway=client.dialect.name)
            failpoint("submit.before_post")
            result = await client.submit(request, ready.sent_with)
    except GatewayError as exc:
        result = exc
    except Exception as exc:  # whatever it is, the request may have been sent
        log.exception("submit.failed job_id=%s", ready.work.id)
        result = OutcomeUnknown(f"{type(exc).__name__}: {exc}", gateway=client.dialect.name)
    failpoint("submit.after_post")
    return Posted(ready, result)


def _write(runtime: Runtime, client: GatewayClient, posted: Sequence[Posted]) -> None:
    pacings = [runtime.part(PollPlan).pacing_for(client, item.ready.work.request) for item in posted]
    decisions = [_decide(runtime, item, pacing) for item, pacing in zip(posted, pacings, strict=True)]
    with runtime.database.begin() as conn:
        # What is said of the account comes before what is said of its jobs, as schedulers lock them.
        outcomes = [Outcome(p.ready.work.id, p.ready.attempt, p.ready.model_key, p.result) for p in posted]
        report(conn, client.account, outcomes)
        moves = [_outcome_move(item, decision) for item, decision in zip(posted, decisions, strict=True)]
        attempts.finish_attempts(conn, [_attempt_outcome(item) for item in posted], moves)
        failpoint("submit.before_commit")
    failpoint("submit.after_outcome")


def _decide(runtime: Runtime, posted: Posted, pacing: PollPacing) -> Decision:
    """What a POST's outcome means for its job."""
    work, result = posted.ready.work, posted.result
    if isinstance(result, NotDeliverable) and (other := elsewhere(runtime.settings, work, str(result))) is not None:
        return other
    return decide_submit(result, refusals_of(work, result), pacing)


def _attempt_outcome(posted: Posted) -> AttemptOutcome:
    work, number, result = posted.ready.work, posted.ready.attempt, posted.result
    if isinstance(result, Submitted):
        return AttemptOutcome(work.id, number, Reason.ACCEPTED, gateway_task_id=result.task_id)
    return AttemptOutcome(work.id, number, result.code, result.status, error=result.as_dict())


def _outcome_move(posted: Posted, decision: Decision) -> Move:
    """The outcome counts for as long as this is the job's latest attempt, also when the lease ran out meanwhile and the
    job was taken for unconfirmed: knowledge that comes late is still knowledge."""
    unknown = decision.target is JobState.UNCONFIRMED
    sources = (JobState.SUBMITTING,) if unknown else (JobState.SUBMITTING, JobState.UNCONFIRMED)
    return decision.move(posted.ready.work, sources=sources, attempt=posted.ready.attempt)


def _give_back(work: Work) -> Move:
    error = Problem("account", f"{work.account} is not in this worker's configuration")
    log.error("submit.account_missing job_id=%s %s", work.id, error)
    return Decision(JobState.QUEUED, Reason.ACCOUNT_MISSING, ACCOUNT_MISSING_S, NO_ACCOUNT).move(work)
