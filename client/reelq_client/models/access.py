"""Tenants, keys, decisions, accounts and health."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from reelq_client.models.base import Model, Open
from reelq_client.models.campaigns import Budget
from reelq_client.models.words import Scope


class Tenant(Model):
    """The tenant and the scopes of a key."""

    name: str
    scopes: list[Open[Scope]]
    weight: int
    jobs_per_minute: int | None
    created_at: datetime | None = None
    budget: Budget | None


class Key(Model):
    """A key, without its secret."""

    id: str
    tenant: str
    name: str
    scopes: list[Open[Scope]]
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None
    expires_at: datetime | None
    replaced_by: str | None


class CreatedKey(Key):
    """A new key; only this answer has the key itself."""

    key: str


class Purse(Model):
    """What a key may spend. `used`: what ended jobs cost, and the most that the others may cost."""

    currency: str
    amount: float
    used: float
    left: float


class KeyPurse(Model):
    """The purse of a key; None: it spends without a limit of its own."""

    purse: Purse | None


class KeyList(Model):
    """Every key of the tenant, oldest first."""

    data: list[Key]


class Decision(Model):
    """A decision about something else than a single job."""

    id: int
    at: datetime
    actor: str | None
    what: str
    subject: str
    detail: dict[str, Any]


class AccountModel(Model):
    """One model of an account that has a lowered limit or takes no jobs."""

    model: str
    in_flight: int
    limit_now: int
    limit_since: datetime | None
    state: Open[Literal["ok", "throttled", "suspended", "misrouted", "outage", "model_closed"]]
    until: datetime | None
    since: datetime | None
    error: dict[str, Any] | None


class Account(Model):
    """An account: its limits, how much of them is in use, and whether it takes jobs."""

    name: str
    gateway: str
    base_url: str | None
    max_in_flight: int
    requests_per_minute: int | None
    limit_now: int
    limit_since: datetime | None
    in_flight: int
    state: Open[Literal["ok", "throttled", "suspended", "misrouted", "outage", "paused", "removing"]]
    suspended_until: datetime | None
    suspended_since: datetime | None
    throttled_until: datetime | None
    error: dict[str, Any] | None
    models: list[AccountModel]
    tenants: list[str] | None
    kept_in: Open[Literal["configuration", "database"]]


class AccountList(Model):
    """Every account, in the order they are tried."""

    accounts: list[Account]
    unusable: dict[str, str]


class AccountCapabilities(Model):
    """What one account's gateway can do."""

    name: str
    gateway: str
    capabilities: dict[str, Any]


class CapabilityList(Model):
    """What every account's gateway can do."""

    accounts: list[AccountCapabilities]


class CatalogModel(Model):
    """A model as an account can use it. `tiers`: those whose jobs get it if they name none; `row`: what its documents
    say."""

    account: str
    gateway: str
    tiers: list[str]
    row: dict[str, Any]


class Catalog(Model):
    """The models of every account, in the order in which accounts are tried."""

    models: list[CatalogModel]


class Health(Model):
    """The process answers."""

    status: Literal["ok"]


class Readiness(Model):
    """Whether jobs can run; `missing` has each part that does not work, and why. `warnings`: what a person should look
    at although jobs run. `version`: of the server; None: an older one, which does not say it."""

    ready: bool
    missing: dict[str, str]
    warnings: dict[str, str] = Field(default_factory=dict)
    version: str | None = None
