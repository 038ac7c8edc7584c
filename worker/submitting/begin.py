"""Begin: commit an attempt for every job of a batch that may be sent."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from uuid import UUID

import psycopg

from seedance.boot_clock import boottime_s
from seedance.client import GatewayClient
from seedance.errors import NotTried
from seedance.gateways.base import AttemptOptions
from seedance.problems import InvalidInput
from seedance.request import GenerationRequest, parse_request
from storage.bucket.requests import StoreUnavailable
from storage.database import DatabaseUnavailable
from storage.jobs import attempts, transitions
from storage.jobs.reasons import Reason
from storage.jobs.records import Begun, Correlation, Move, Work
from storage.jobs.states import JobState
from storage.journal import rows
from storage.logs.context import about
from storage.metrics.measures import Measures
from worker.decisions import Decision, draft_expired, fail
from worker.journal import Journal
from worker.polling.plan import PollPlan
from worker.runtime import Runtime
from worker.submitting.correlation import RANDOM_SEED, correlate
from worker.submitting.decisions import decide_submit
from worker.submitting.earlier import SentBefore, settle_earlier
from worker.submitting.elsewhere import elsewhere
from worker.submitting.input_files import InputFiles
from worker.submitting.inputs import with_inputs
from worker.submitting.refused_rows import end_refused

log = logging.getLogger("reelq.submit")


@dataclass(frozen=True, slots=True)
class Ready:
    """A job whose attempt is committed: the POST may be made."""

    work: Work
    request: GenerationRequest
    attempt: int
    started_at: datetime
    """The attempt's, by the database's clock; and when it was begun, on the boot clock."""
    begun_at: float
    model_key: str
    """The model under which its health and limits are kept."""
    sent_with: AttemptOptions
    post_before: float
    """On the boot clock; later the lease may have ended and another worker may have decided about the job."""
    doubtful: bool
    """An earlier attempt may have been accepted: check once more before the POST."""


class Interrupted(DatabaseUnavailable):
    """The database stopped answering. `begun`: attempts that are committed, or may be: the answer to their commit was
    lost. At least one; no POST is made for them. It stays in this process: the requests are in it."""

    def __init__(self, cause: DatabaseUnavailable, begun: Sequence[Ready]) -> None:
        super().__init__(str(cause), cause.code)
        self.begun = begun


@dataclass(frozen=True, slots=True)
class _Prepared:
    """What is sent for a job, and what is stored about it."""

    request: GenerationRequest
    sent_with: AttemptOptions
    correlation: Correlation


def begin(
    runtime: Runtime,
    client: GatewayClient,
    held: Sequence[Work],
    lag: Measures,
    assets: Mapping[str, str] | None = None,
    files: InputFiles | None = None,
) -> list[Ready]:
    """Commit an attempt for every job that may be sent, and write it into the journal. A job that may not be sent is
    moved on here; a job with an accepted earlier attempt continues with its task. A job whose row does not allow an
    attempt, as another program may have stored it, stops no other: its attempts are counted on from those that it has,
    or `end_refused` decides.

    `lag`: of the batch's message; it is written in the same transaction, and empty afterwards.
    `assets`: `asset://ID` by reference, for the files that the account has; `files`: where the jobs' files lie.

    Raises:
        Interrupted: the database stopped answering after attempts were begun, or may have been.
        DatabaseUnavailable: it does not answer, and none was begun.
    """
    try:
        return _begin(runtime, client, held, lag, assets or {}, files or InputFiles(runtime))
    except (psycopg.DataError, psycopg.IntegrityError) as exc:
        if len(held) > 1:
            log.warning("submit.begun_one_by_one jobs=%d error=%s", len(held), exc.diag.message_primary)
            return _begin_one_by_one(runtime, client, held, lag, assets, files)
        with runtime.database.begin() as conn:
            known = attempts.count_on(conn, held[0].id, held[0].claim)
        if known is not None:
            return begin(runtime, client, [replace(held[0], attempt=known)], lag, assets, files)
        end_refused(runtime, held[0], exc)
        return []


def _begin_one_by_one(
    runtime: Runtime,
    client: GatewayClient,
    held: Sequence[Work],
    lag: Measures,
    assets: Mapping[str, str] | None,
    files: InputFiles | None,
) -> list[Ready]:
    begun: list[Ready] = []
    for work in held:
        try:
            begun += begin(runtime, client, [work], lag, assets, files)
        except DatabaseUnavailable as exc:
            if isinstance(exc, Interrupted):
                begun += exc.begun
            if not begun:
                raise
            raise Interrupted(exc, begun) from exc
        except Exception as exc:  # noqa: BLE001 - the attempts of the others are committed: their POSTs must be made
            # The rest of a database's text holds the row, and in it the prompt.
            because = exc.diag.message_primary if isinstance(exc, psycopg.Error) else f"{type(exc).__name__}: {exc}"
            log.error("submit.not_begun job_id=%s error=%s", work.id, because, extra=about(work.story))
    return begun


def _begin(
    runtime: Runtime,
    client: GatewayClient,
    held: Sequence[Work],
    lag: Measures,
    assets: Mapping[str, str],
    files: InputFiles,
) -> list[Ready]:
    begun_at = boottime_s()
    lease_s = runtime.settings.lease_seconds
    prepared: dict[UUID, _Prepared] = {}
    ended: dict[UUID, Decision] = {}
    for work in held:
        request = _prepare(runtime, client, work, assets, files)
        if isinstance(request, Decision):
            ended[work.id] = request
        else:
            sent_with, correlation = correlate(client, request, runtime.settings, work.deadline_in_s)
            if work.draft_task_id is not None:
                sent_with = replace(sent_with, draft_task_id=work.draft_task_id, draft_model=work.draft_model)
            prepared[work.id] = _Prepared(request, sent_with, correlation)
    ready: list[Ready] = []
    try:
        with runtime.database.begin(planned_once=True) as conn:
            before = settle_earlier(conn, held)
            free = [work for work in held if work.id not in before.settled]
            transitions.move(conn, [ended[work.id].move(work) for work in free if work.id in ended])
            own = [work for work in free if work.id in prepared]
            begins = [_begin_move(client, work, prepared[work.id].request, lease_s) for work in own]
            correlations = {job_id: item.correlation for job_id, item in prepared.items()}
            begun = {item.id: item for item in attempts.begin_attempts(conn, begins, correlations)}
            lineage, sent = rows.sent(conn, [(item.id, item.attempt) for item in begun.values()])
            lag.write(conn)
            started = {entry.job_id: entry.started_at for entry in sent}
            post_before = begun_at + lease_s - runtime.settings.submit_timeout_seconds
            ready = [
                _ready(work, prepared[work.id], begun[work.id], started[work.id], begun_at, post_before, before)
                for work in own
                if work.id in begun
            ]
    except DatabaseUnavailable as exc:
        if ready:  # the commit may have been carried out
            raise Interrupted(exc, ready) from exc
        raise
    lag.clear()
    if lineage is not None:
        runtime.part(Journal).write_ahead(lineage, sent)
    return ready


def _ready(
    work: Work,
    prepared: _Prepared,
    begun: Begun,
    started_at: datetime,
    begun_at: float,
    post_before: float,
    before: SentBefore,
) -> Ready:
    return Ready(
        work,
        prepared.request,
        begun.attempt,
        started_at,
        begun_at,
        prepared.correlation.model_key,
        _marked(prepared.sent_with, begun.mark),
        post_before,
        work.id in before.doubtful,
    )


def _marked(sent_with: AttemptOptions, mark: int | None) -> AttemptOptions:
    return sent_with if mark is None else replace(sent_with, mark=mark)


def _begin_move(client: GatewayClient, work: Work, request: GenerationRequest, lease_s: float) -> Move:
    patch = {"gateway": client.dialect.name, "model": work.draft_model or client.dialect.model_for(request)}
    return Decision(JobState.SUBMITTING, Reason.SUBMIT, lease_s, patch).move(work)


def _prepare(
    runtime: Runtime, client: GatewayClient, work: Work, assets: Mapping[str, str], files: InputFiles
) -> GenerationRequest | Decision:
    if work.deadline_in_s is not None and work.deadline_in_s <= 0:
        return fail(
            Reason.DEADLINE_EXCEEDED, "the deadline passed before a slot was free; nothing was submitted or billed"
        )
    if work.draft_task_id is not None and work.draft_ends_in_s is not None and work.draft_ends_in_s <= 0:
        return draft_expired()
    try:
        request = parse_request(work.request)
        if refusals := client.dialect.refusals(request):
            raise InvalidInput(refusals)
        request = with_inputs(runtime, client, request, assets, partial(files.key, work.id))
    except InvalidInput as exc:
        return elsewhere(runtime.settings, work, str(exc)) or fail(Reason.INVALID_REQUEST, str(exc))
    except StoreUnavailable as exc:  # the link to a file cannot be signed
        return decide_submit(
            NotTried(str(exc), gateway=client.dialect.name), work.refusals, runtime.part(PollPlan).pacing
        )
    if request.seed == RANDOM_SEED:  # the same as no seed, and an attempt may have its own
        request = request.model_copy(update={"seed": None})
    return request
