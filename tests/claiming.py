"""Claims for tests of jobs rather than admission: one account with any number of slots."""

from __future__ import annotations

from collections.abc import Mapping

from seedance.account import Account
from storage.admission import circuit_breaker
from storage.admission.circuit_breaker import Cause, Failure
from storage.admission.claiming import claim
from storage.admission.fair_share import FairShare
from storage.admission.grants import Grant
from storage.admission.seekers import Which
from storage.database import Connection
from storage.leases import Claimed


def grant_of(
    name: str,
    gateway: str,
    slots: int,
    *,
    models: Mapping[str, str] | None = None,
    most: Mapping[str, int] | None = None,
) -> Grant:
    """A grant of `slots` slots. `models`: the account's own model names; `most`: the slots at most, by model."""
    fields = {"name": name, "gateway": gateway, "api_key": "sk-test", "models": dict(models or {})}
    return Grant(Account.model_validate(fields), slots, most=dict(most or {}))


def claim_of(conn: Connection, grant: Grant, lease_s: float, which: Which = Which.ANY) -> list[Claimed]:
    """Lease as many queued jobs as a grant has slots."""
    return claim(conn, FairShare(grant).claim(grant.slots, which=which), lease_s)


def claim_submits(
    conn: Connection,
    name: str,
    gateway: str,
    limit: int,
    lease_s: float,
    *,
    models: Mapping[str, str] | None = None,
    most: Mapping[str, int] | None = None,
) -> list[Claimed]:
    """Lease up to `limit` queued jobs for an account with that many slots."""
    return claim_of(conn, grant_of(name, gateway, limit, models=models, most=most), lease_s)


def close_account(
    conn: Connection, account: str, cause: Cause, message: str, *, model: str = "", code: str = "account_problem"
) -> None:
    """Open a breaker for an hour, as a failure does."""
    error = {"code": code, "message": message}
    circuit_breaker.lock_account(conn, account)
    circuit_breaker.open_breaker(conn, account, model, Failure(cause, error, lambda _: 3600.0))
