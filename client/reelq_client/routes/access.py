"""Keys, decisions, the tenant, capabilities, health and the stream of all events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from reelq_client.core.binding import Awaiting, Blocking, call, pages, stream
from reelq_client.core.event_feed import Subscription
from reelq_client.core.requests import Flow, Request, given
from reelq_client.models.access import (
    CapabilityList,
    Catalog,
    CatalogModel,
    CreatedKey,
    Decision,
    Health,
    Key,
    KeyList,
    KeyPurse,
    Purse,
    Readiness,
    Tenant,
)
from reelq_client.models.base import Page
from reelq_client.models.events import Event, read_event
from reelq_client.models.words import JobState, Scope

_PURSE = "/v1/keys/{key_id}/purse"


class KeyRoutes:
    """The tenant's keys; they need the scope admin."""

    @call
    def list(self) -> Flow[list[Key]]:
        """Every key, oldest first, without its secret."""
        answer = yield Request("keys_list", "GET", "/v1/keys")
        return answer.read(KeyList).data

    @call
    def create(
        self,
        name: str,
        *,
        scopes: Sequence[Scope] = ("enqueue", "read"),
        expires_in_seconds: int | None = None,
        tenant: str | None = None,
    ) -> Flow[CreatedKey]:
        """Create a key; only this answer has the key itself."""
        body = given(name=name, scopes=[*scopes], expires_in_seconds=expires_in_seconds, tenant=tenant)
        answer = yield Request("keys_create", "POST", "/v1/keys", json=body)
        return answer.read(CreatedKey)

    @call
    def rotate(
        self, key_id: str, *, overlap_seconds: float | None = None, expires_in_seconds: int | None = None
    ) -> Flow[CreatedKey]:
        """Create a key in place of another, which expires after the overlap."""
        body = given(overlap_seconds=overlap_seconds, expires_in_seconds=expires_in_seconds)
        answer = yield Request("keys_rotate", "POST", "/v1/keys/{key_id}/rotate", at={"key_id": key_id}, json=body)
        return answer.read(CreatedKey)

    @call
    def revoke(self, key_id: str) -> Flow[None]:
        """Revoke a key for good."""
        yield Request("keys_revoke", "DELETE", "/v1/keys/{key_id}", at={"key_id": key_id})

    @call
    def purse(self, key_id: str) -> Flow[Purse | None]:
        """What a key may spend; None: it has no limit of its own."""
        answer = yield Request("keys_purse", "GET", _PURSE, at={"key_id": key_id})
        return answer.read(KeyPurse).purse

    @call
    def set_purse(self, key_id: str, purse: str) -> Flow[Purse | None]:
        """Set what a key may spend, such as "20 USD"; "none": no limit of its own."""
        body = {"purse": purse}
        answer = yield Request("keys_set_purse", "PUT", _PURSE, at={"key_id": key_id}, json=body, repeatable=True)
        return answer.read(KeyPurse).purse


class DecisionRoutes:
    """Who decided what; they need the scope admin."""

    @pages
    def iterate(self) -> Callable[[str | int | None], Flow[Page[Decision]]]:
        """Every decision, newest first."""
        return lambda cursor: _decisions(200, cursor)

    @call
    def list(self, *, limit: int | None = None, cursor: int | None = None) -> Flow[Page[Decision]]:
        """One page of decisions, newest first."""
        return _decisions(limit, cursor)


class TenantRoutes:
    """The tenant of the key."""

    @call
    def get(self) -> Flow[Tenant]:
        """The tenant, the key's scopes, and what the tenant may spend and enqueue."""
        answer = yield Request("tenant_get", "GET", "/v1/tenant")
        return answer.read(Tenant)


class CapabilityRoutes:
    """What gateways can do."""

    @call
    def list(self) -> Flow[CapabilityList]:
        """What each account's gateway can do, as its documentation says."""
        answer = yield Request("capabilities_list", "GET", "/v1/capabilities")
        return answer.read(CapabilityList)

    @call
    def models(self, *, account: str | None = None) -> Flow[Sequence[CatalogModel]]:
        """The models of each account, or of one, and everything that is known of them."""
        answer = yield Request("capabilities_models", "GET", "/v1/catalog", query=given(account=account))
        return answer.read(Catalog).models


class EventRoutes:
    """The events of all jobs."""

    @stream
    def stream(
        self,
        *,
        after: str | int | None = None,
        campaign: str | None = None,
        state: JobState | Sequence[JobState] | None = None,
        tag: str | Sequence[str] | None = None,
    ) -> Subscription[Event]:
        """The events of all jobs as they happen, without end, each with its job; with `after`, the `position` of an
        event, also those since then. `campaign`, `state` (that the job came into) and `tag` (all of them): only those.
        Lost connections are opened again; no event is missed or repeated."""
        query = given(campaign=campaign, state=state, tag=tag)
        return Subscription(Request("events_stream", "GET", "/v1/events", query=query), read_event, after=after)


class HealthRoutes:
    """Whether the API works."""

    @call
    def live(self) -> Flow[Health]:
        """The process answers."""
        answer = yield Request("health_live", "GET", "/healthz")
        return answer.read(Health)

    @call
    def ready(self, *, purpose: Literal["jobs", "intake"] | None = None) -> Flow[Readiness]:
        """Jobs can run; with `intake`, they can be taken and stored, to run later.

        Raises:
            Unavailable: they cannot.
        """
        answer = yield Request("health_ready", "GET", "/readyz", query=given(**{"for": purpose}))
        return answer.read(Readiness)


def _decisions(limit: int | None, cursor: str | int | None) -> Flow[Page[Decision]]:
    answer = yield Request("decisions_list", "GET", "/v1/decisions", query=given(limit=limit, cursor=cursor))
    return answer.read(Page[Decision])


class Keys(KeyRoutes, Blocking):
    """The tenant's keys."""


class AsyncKeys(KeyRoutes, Awaiting):
    """The tenant's keys."""


class Decisions(DecisionRoutes, Blocking):
    """Who decided what."""


class AsyncDecisions(DecisionRoutes, Awaiting):
    """Who decided what."""


class TenantInfo(TenantRoutes, Blocking):
    """The tenant of the key."""


class AsyncTenantInfo(TenantRoutes, Awaiting):
    """The tenant of the key."""


class CapabilityInfo(CapabilityRoutes, Blocking):
    """What gateways can do."""


class AsyncCapabilityInfo(CapabilityRoutes, Awaiting):
    """What gateways can do."""


class Events(EventRoutes, Blocking):
    """The events of all jobs."""


class AsyncEvents(EventRoutes, Awaiting):
    """The events of all jobs."""


class HealthInfo(HealthRoutes, Blocking):
    """Whether the API works."""


class AsyncHealthInfo(HealthRoutes, Awaiting):
    """Whether the API works."""
