"""Keys and decisions as the API shows them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from storage.tenants.keys import Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyResource:
    """A key, without its secret."""

    id: Annotated[str, Field(description="The part of the key after `rq_`.")]
    tenant: str
    name: str
    scopes: list[Scope]
    created_at: datetime
    last_used_at: Annotated[datetime | None, Field(description="To the minute. Null: never.")]
    revoked_at: Annotated[datetime | None, Field(description="Null: not revoked.")]
    expires_at: Annotated[datetime | None, Field(description="From then on it is refused. Null: never.")]
    replaced_by: Annotated[str | None, Field(description="The id of the key that was made in its place.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKeyResource(KeyResource):
    """A new key. Only this answer has the key itself."""

    key: Annotated[str, Field(description="The key. It is not shown again.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class PurseResource:
    """What a key, and those that replace it, may spend. Jobs that may cost more than is left are refused."""

    currency: str
    amount: float
    used: Annotated[float, Field(description="What ended jobs cost, and the most that the others may cost.")]
    left: float


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPurseResource:
    """The purse of a key."""

    purse: Annotated[
        PurseResource | None, Field(description="Null: it has none, and spends without a limit of its own.")
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyList:
    """Every key of the tenant, oldest first."""

    data: list[KeyResource]


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionResource:
    """A decision about something else than a single job; those are in the job's events."""

    id: int
    at: datetime
    actor: Annotated[
        str | None, Field(description="Who decided: a key, a session, a user of the command line; null: the system.")
    ]
    what: Annotated[str, Field(description="Such as campaign.paused, key.created, webhook.added.")]
    subject: Annotated[str, Field(description="What it is about: its kind, a colon, and its id or name.")]
    detail: Annotated[dict[str, Any], Field(description="What was set.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionPage:
    """One page, newest first."""

    data: list[DecisionResource]
    next_cursor: Annotated[int | None, Field(description="Give it as `cursor` for the next page; null: the last one.")]
