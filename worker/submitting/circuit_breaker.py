"""Accounts that rest: their key, permission or credit failed, or their gateway is away. Said once, not for each job."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from seedance.errors import GatewayError
from seedance.gateways.base import Submitted
from storage.admission import accounts, circuit_breaker
from storage.admission.accounts import Rest
from storage.database import Connection
from worker.submitting.decisions import is_trouble

log = logging.getLogger("reelq.accounts")


def suspend(conn: Connection, account: str, seconds: float, error: Mapping[str, Any]) -> None:
    """The gateway refused the account itself."""
    _tell("suspended", account, accounts.suspend(conn, account, seconds, error), error)


def account_is_to_blame(
    conn: Connection, account: str, results: Sequence[tuple[UUID, int | None, Submitted | GatewayError]]
) -> bool:
    """Whether those of these attempts (job, number, what came of it) that failed did so because the account's gateway
    is away. It rests then, and one job at a time is tried. Number None: a call that belongs to no attempt yet."""
    failed = [(job_id, number, result) for job_id, number, result in results if is_trouble(result)]
    if not failed:
        return False
    last = failed[-1][2]
    error = last.as_dict() if isinstance(last, GatewayError) else {}
    accepted = any(isinstance(result, Submitted) for _, _, result in results)
    found = circuit_breaker.blame(
        conn, account, [(job_id, number) for job_id, number, _ in failed], error, accepted=accepted
    )
    _tell("outage", account, found.rest, error)
    return found.account


def _tell(what: str, account: str, rest: Rest | None, error: Mapping[str, Any]) -> None:
    if rest is not None and rest.number == 1:
        log.error("account.%s account=%s seconds=%g error=%s", what, account, rest.seconds, error)
    elif rest is not None:
        log.info("account.rests_again account=%s for=%s seconds=%g error=%s", account, what, rest.seconds, error)
