"""`/v1/webhooks`: endpoints, messages and secrets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from reelq_client.core.binding import Awaiting, Blocking, call, pages
from reelq_client.core.requests import Flow, Request, as_json, given
from reelq_client.models.base import Page
from reelq_client.models.webhooks import (
    Endpoint,
    EndpointList,
    EndpointWithSecret,
    Message,
    ReplayedMessages,
    WebhookSecrets,
)
from reelq_client.models.words import EventName, EventType, MessageState

if TYPE_CHECKING:
    from reelq_client.core.async_driver import AsyncDriver
    from reelq_client.core.sync_driver import SyncDriver

_ENDPOINT = "/v1/webhooks/endpoints/{endpoint_id}"
_MESSAGE = "/v1/webhooks/messages/{message_id}"


def _one(endpoint_id: UUID | str) -> dict[str, str]:
    return {"endpoint_id": str(endpoint_id)}


class EndpointRoutes:
    """URLs that receive events."""

    @call
    def list(self) -> Flow[list[Endpoint]]:
        """Every endpoint, oldest first."""
        answer = yield Request("webhook_endpoints_list", "GET", "/v1/webhooks/endpoints")
        return answer.read(EndpointList).data

    @call
    def create(self, url: str, *, events: Sequence[EventName] | None = None) -> Flow[EndpointWithSecret]:
        """Add an endpoint; only this answer has its secret. `events` None: all of them."""
        body = given(url=url, events=None if events is None else [*events])
        answer = yield Request("webhook_endpoints_create", "POST", "/v1/webhooks/endpoints", json=body)
        return answer.read(EndpointWithSecret)

    @call
    def get(self, endpoint_id: UUID | str) -> Flow[Endpoint]:
        """One endpoint."""
        answer = yield Request("webhook_endpoints_get", "GET", _ENDPOINT, at=_one(endpoint_id))
        return answer.read(Endpoint)

    @call
    def update(
        self, endpoint_id: UUID | str, *, events: Sequence[EventName] | None = None, disabled: bool | None = None
    ) -> Flow[Endpoint]:
        """Change its events (empty: all of them), disable it or enable it."""
        body = given(events=None if events is None else [*events], disabled=disabled)
        answer = yield Request("webhook_endpoints_update", "PATCH", _ENDPOINT, at=_one(endpoint_id), json=body)
        return answer.read(Endpoint)

    @call
    def delete(self, endpoint_id: UUID | str) -> Flow[None]:
        """Remove an endpoint."""
        yield Request("webhook_endpoints_delete", "DELETE", _ENDPOINT, at=_one(endpoint_id))

    @call
    def rotate(self, endpoint_id: UUID | str, *, overlap_seconds: float | None = None) -> Flow[EndpointWithSecret]:
        """Replace its secret; only this answer has the new one."""
        body = given(overlap_seconds=overlap_seconds)
        answer = yield Request(
            "webhook_endpoints_rotate", "POST", f"{_ENDPOINT}/rotate", at=_one(endpoint_id), json=body
        )
        return answer.read(EndpointWithSecret)


class MessageRoutes:
    """Events on their way to receivers."""

    @call
    def list(
        self,
        *,
        state: MessageState | Sequence[MessageState] | None = None,
        endpoint_id: UUID | str | None = None,
        job_id: UUID | str | None = None,
        type: EventType | None = None,
        since: datetime | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Flow[Page[Message]]:
        """One page of messages, newest first."""
        query = given(
            state=state, endpoint_id=endpoint_id, job_id=job_id, type=type, since=since, limit=limit, cursor=cursor
        )
        answer = yield Request("webhook_messages_list", "GET", "/v1/webhooks/messages", query=query)
        return answer.read(Page[Message])

    @pages
    def iterate(
        self, *, state: MessageState | Sequence[MessageState] | None = None, endpoint_id: UUID | str | None = None
    ) -> Callable[[str | int | None], Flow[Page[Message]]]:
        """Every message that fits, newest first."""

        def page(cursor: str | int | None) -> Flow[Page[Message]]:
            query = given(state=state, endpoint_id=endpoint_id, cursor=cursor)
            answer = yield Request("webhook_messages_list", "GET", "/v1/webhooks/messages", query=query)
            return answer.read(Page[Message])

        return page

    @call
    def get(self, message_id: str) -> Flow[Message]:
        """One message."""
        answer = yield Request("webhook_messages_get", "GET", _MESSAGE, at={"message_id": message_id})
        return answer.read(Message)

    @call
    def replay(self, message_id: str) -> Flow[Message]:
        """Send one message again."""
        at = {"message_id": message_id}
        answer = yield Request("webhook_messages_replay", "POST", f"{_MESSAGE}/replay", at=at)
        return answer.read(Message)

    @call
    def replay_many(
        self, *, dead: bool = False, since: datetime | None = None, endpoint_id: UUID | str | None = None
    ) -> Flow[ReplayedMessages]:
        """Send messages again: those that are `dead`, or every one since an instant."""
        body = as_json(given(dead=dead or None, since=since, endpoint_id=endpoint_id))
        answer = yield Request("webhook_messages_replay_many", "POST", "/v1/webhooks/replay", json=body)
        return answer.read(ReplayedMessages)


class WebhookRoutes:
    """Secrets, and a test."""

    @call
    def secret(self) -> Flow[list[str]]:
        """The secrets that verify deliveries to the `webhook_url` of jobs, the new one first."""
        answer = yield Request("webhooks_secret", "GET", "/v1/webhooks/secret")
        return answer.read(WebhookSecrets).secrets

    @call
    def test(self, *, url: str | None = None, endpoint_id: UUID | str | None = None) -> Flow[Message]:
        """Send a test event once, to a URL or an endpoint."""
        body = as_json(given(url=url, endpoint_id=endpoint_id))
        answer = yield Request("webhooks_test", "POST", "/v1/webhooks/test", json=body)
        return answer.read(Message)


class Endpoints(EndpointRoutes, Blocking):
    """URLs that receive events."""


class AsyncEndpoints(EndpointRoutes, Awaiting):
    """URLs that receive events."""


class Messages(MessageRoutes, Blocking):
    """Events on their way to receivers."""


class AsyncMessages(MessageRoutes, Awaiting):
    """Events on their way to receivers."""


class Webhooks(WebhookRoutes, Blocking):
    """Endpoints, messages and secrets."""

    def __init__(self, driver: SyncDriver) -> None:
        super().__init__(driver)
        self.endpoints = Endpoints(driver)
        self.messages = Messages(driver)


class AsyncWebhooks(WebhookRoutes, Awaiting):
    """Endpoints, messages and secrets."""

    def __init__(self, driver: AsyncDriver) -> None:
        super().__init__(driver)
        self.endpoints = AsyncEndpoints(driver)
        self.messages = AsyncMessages(driver)
