"""Estimates, capabilities, tenants, accounts and health, as the API shows them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from producer.api.resources.campaigns import BudgetResource
from producer.http.problem_details import FieldError
from seedance.gateways.capabilities import Capabilities
from seedance.models.rows import ModelRow
from seedance.pricing import Basis
from seedance.request import Tier
from storage.tenants.keys import Scope

BASIS = """`own`: a rate of the account. `published`: a price that the gateway publishes. `list`: the list price of the
model's maker, because the gateway publishes none; it may charge more or less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherCurrency:
    """What a job will cost by a price in another currency."""

    low: float
    high: float
    basis: Annotated[Basis, Field(description=BASIS)]
    inferred: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEstimate:
    """What a job will cost, between `low` and `high`."""

    account: str
    model: Annotated[str, Field(description="The gateway's own name of the model.")]
    low: float
    high: float
    currency: str
    as_of: Annotated[date, Field(description="The day of the price list.")]
    basis: Annotated[Basis, Field(description=BASIS)]
    inferred: Annotated[bool, Field(description="The price is not published, but inferred.")]
    tokens: Annotated[list[int] | None, Field(description="The fewest and the most; null: not counted.")]
    also: Annotated[dict[str, OtherCurrency], Field(description="The same by prices in other currencies.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountEstimate:
    """What a job would cost at one account."""

    account: str
    gateway: str
    can_serve: bool
    problems: Annotated[list[FieldError], Field(description="Why the account cannot serve the job.")]
    estimate: Annotated[JobEstimate | None, Field(description="Null: no known price, or the account cannot serve it.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimates:
    """What a job would cost at every account, in the order they are tried."""

    chosen: Annotated[str, Field(description="The account that is tried first.")]
    estimate: Annotated[JobEstimate | None, Field(description="At that account; null: no known price.")]
    accounts: list[AccountEstimate]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountCapabilities:
    """What one account's gateway can do, as its documentation says; null: it does not say."""

    name: str
    gateway: str
    capabilities: Capabilities


@dataclass(frozen=True, slots=True, kw_only=True)
class CapabilityList:
    """What every account's gateway can do."""

    accounts: list[AccountCapabilities]


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantResource:
    """The tenant and the scopes of a key."""

    name: str
    scopes: Annotated[list[Scope], Field(description="What the key may do.")]
    weight: Annotated[int, Field(description="Its share of the slots, relative to other tenants.")]
    jobs_per_minute: Annotated[int | None, Field(description="How many jobs it may enqueue; null: no limit.")]
    created_at: datetime
    budget: Annotated[BudgetResource | None, Field(description="Null: no limit.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogModel:
    """A model as an account can use it."""

    account: Annotated[str, Field(description="The account; the gateway, if no account is configured.")]
    gateway: str
    tiers: Annotated[list[Tier], Field(description="Those whose jobs get this model if they name none.")]
    row: Annotated[ModelRow, Field(description="What its documents say; null: they do not say.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """The models of every account, in the order in which accounts are tried."""

    models: list[CatalogModel]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountModel:
    """One model of an account that has a lowered limit or takes no jobs."""

    model: Annotated[str, Field(description="The gateway's own name of the model.")]
    in_flight: Annotated[int, Field(description="Its jobs at the gateway.")]
    limit_now: Annotated[int, Field(description="Its jobs at once, as the gateway accepts them at present.")]
    limit_since: Annotated[datetime | None, Field(description="When that limit was found; null: it is as configured.")]
    state: Literal["ok", "throttled", "suspended", "misrouted", "outage", "model_closed"]
    until: Annotated[datetime | None, Field(description="When the next job is tried; null: now.")]
    since: datetime | None
    error: Annotated[dict[str, Any] | None, Field(description="What the gateway answered.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountResource:
    """A configured account: its limits, how much of them is in use, and whether it takes jobs. Never its key."""

    name: str
    gateway: str
    base_url: str | None
    max_in_flight: Annotated[int, Field(description="Jobs at once, as configured.")]
    requests_per_minute: Annotated[int | None, Field(description="As configured; null: no limit.")]
    limit_now: Annotated[int, Field(description="Jobs at once, as the gateway accepts them at present.")]
    limit_since: Annotated[datetime | None, Field(description="When that limit was found; null: it is as configured.")]
    in_flight: Annotated[int, Field(description="Jobs at the gateway.")]
    state: Annotated[
        Literal["ok", "throttled", "suspended", "misrouted", "outage", "paused", "removing"],
        Field(
            description="`suspended`: its key, its permissions or its credit are refused. `misrouted`: `base_url` does "
            "not lead to the gateway's API. `paused`: by a person. `removing`: deleted when its last task has ended."
        ),
    ]
    suspended_until: datetime | None
    suspended_since: datetime | None
    throttled_until: datetime | None
    error: Annotated[dict[str, Any] | None, Field(description="Why it is suspended, or what the gateway answered.")]
    tenants: Annotated[
        list[str] | None,
        Field(description="Whose jobs it may serve; `*`: every tenant that no account names. Null: only `*`."),
    ]
    kept_in: Annotated[
        Literal["configuration", "database"], Field(description="Those of the configuration change with it alone.")
    ]
    models: Annotated[list[AccountModel], Field(description="Models with a limit of their own, or that take no jobs.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountList:
    """Every account, in the order they are tried."""

    accounts: list[AccountResource]
    unusable: Annotated[
        dict[str, str], Field(description="Accounts of the database that cannot be used here, each with the reason.")
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthReport:
    """The process answers."""

    status: Literal["ok"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadinessReport:
    """Whether jobs can run."""

    ready: bool
    missing: Annotated[dict[str, str], Field(description="Each part that does not work, and why.")]
    warnings: Annotated[
        dict[str, str],
        Field(description="What a person should look at although jobs run, by its row in docs/doctor.md."),
    ]
    version: Annotated[str, Field(description="The version of reelq that answers.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackReceived:
    """The callback is accepted; the job will be polled."""

    received: Literal[True]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackRefused:
    """Why the callback is not accepted."""

    error: str
