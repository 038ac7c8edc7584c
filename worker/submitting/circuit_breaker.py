"""Open the circuit breakers of an account and its models after failed calls.

A breaker is logged when it opens, not for each job.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from uuid import UUID

from seedance.account import Account
from seedance.errors import (
    AccountProblem,
    GatewayError,
    ModelProblem,
    NotSent,
    NotServed,
    NotTried,
    OutcomeUnknown,
    Throttled,
)
from seedance.gateways.base import Submitted
from storage.admission import circuit_breaker
from storage.admission.circuit_breaker import JOBS_IN_A_ROW, WHOLE_ACCOUNT, Cause, Failure, Opened
from storage.database import Connection
from worker import retry

log = logging.getLogger("reelq.accounts")

_AWAY = (NotSent.code, NotServed.code, OutcomeUnknown.code)
"""Outcomes of attempts that may have their cause at the gateway as a whole."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one call for a job. `number` None: the call belongs to no attempt yet."""

    job_id: UUID
    number: int | None
    model: str
    result: Submitted | GatewayError


def report(conn: Connection, account: Account, outcomes: Sequence[Outcome]) -> None:
    """Open breakers according to these outcomes, which are of one moment and not written yet.

    The account's row stays locked until the transaction ends. Call this before any job is written, in the order in
    which schedulers lock. The scheduler learns limits from refused attempts later, when all of one moment are stored.
    """
    failed = [outcome for outcome in outcomes if _matters(outcome.result)]
    if not failed:
        return
    circuit_breaker.lock_account(conn, account.name)
    accepted = {outcome.model for outcome in outcomes if isinstance(outcome.result, Submitted)}
    for model, found in groupby(sorted(outcomes, key=lambda item: item.model), lambda item: item.model):
        of_model = list(found)
        for scope, failure in _failures(conn, account, model, of_model):
            beside = bool(accepted) if scope == WHOLE_ACCOUNT else scope in accepted
            failure = replace(failure, beside_acceptance=beside)
            opened = circuit_breaker.open_breaker(conn, account.name, scope, failure)
            _log_opened(account.name, scope, failure, opened)


def _matters(result: Submitted | GatewayError) -> bool:
    problems = (AccountProblem, ModelProblem, NotServed, Throttled, NotSent, OutcomeUnknown)
    return isinstance(result, problems) and not isinstance(result, NotTried)


def _failures(
    conn: Connection, account: Account, model: str, outcomes: Sequence[Outcome]
) -> Iterator[tuple[str, Failure]]:
    """The breakers to open, and why: (the model or the whole account, failure)."""
    for kind, scope, cause, wait in (
        (AccountProblem, WHOLE_ACCOUNT, Cause.ACCOUNT, retry.REFUSED_ACCOUNT),
        (ModelProblem, model, Cause.MODEL, retry.REFUSED_MODEL),
        (Throttled, model, Cause.THROTTLED, retry.TOO_MANY),
    ):
        found = [item for item in outcomes if isinstance(item.result, kind)]
        if found:
            yield scope, _failure(cause, found, wait)
    trouble = NotSent | NotServed | OutcomeUnknown
    away = [item for item in outcomes if isinstance(item.result, trouble) and _matters(item.result)]
    if not away:
        return
    failure = _failure_of_gateway(away)
    known = circuit_breaker.breakers(conn, [account.name])
    if (account.name, WHOLE_ACCOUNT) in known:
        yield WHOLE_ACCOUNT, failure
    elif (account.name, model) in known:
        yield model, failure
    elif not any(isinstance(item.result, Submitted) for item in outcomes):
        ids = [item.job_id for item in away]
        of_account, of_model = circuit_breaker.failed_in_a_row(conn, account.name, model, _AWAY, ids)
        if of_account >= JOBS_IN_A_ROW:
            yield WHOLE_ACCOUNT, failure
        elif of_model >= JOBS_IN_A_ROW:
            yield model, failure


def _failure_of_gateway(away: Sequence[Outcome]) -> Failure:
    """A missing route counts as doubtful: a proxy may report one after it has passed the POST on (decision 0018)."""
    if all(isinstance(item.result, NotServed) for item in away):
        return _failure(Cause.ROUTE, away, retry.MISROUTED, doubtful=True)
    doubtful = any(not isinstance(item.result, NotSent) for item in away)
    return _failure(Cause.OUTAGE, away, retry.DOUBTFUL_OUTAGE if doubtful else retry.OUTAGE, doubtful=doubtful)


def _failure(cause: Cause, found: Sequence[Outcome], wait: retry.Backoff, *, doubtful: bool = False) -> Failure:
    last = found[-1].result
    error = last.as_dict() if isinstance(last, GatewayError) else {}
    named = [item.result.retry_after_s for item in found if isinstance(item.result, Throttled)]
    named_s = max((seconds for seconds in named if seconds is not None), default=None)
    attempts = [(item.job_id, item.number) for item in found]
    return Failure(cause, error, wait.wait_s, attempts, named_s, doubtful)


def _log_opened(account: str, model: str, failure: Failure, opened: Opened | None) -> None:
    if opened is None:
        return
    first = opened.openings == 1 and failure.cause is not Cause.THROTTLED
    log.log(
        logging.ERROR if first else logging.INFO,
        "account.breaker_open account=%s model=%s cause=%s seconds=%g openings=%d error=%s",
        account,
        model or "*",
        failure.cause,
        opened.seconds,
        opened.openings,
        dict(failure.error),
    )
