"""Webhook endpoints and messages as the API shows them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from producer.operator_actions.webhooks import EVENTS
from storage.webhooks.messages import MessageState
from storage.webhooks.outbox import ArkEvent, EventType

EventName = Annotated[str, Field(json_schema_extra={"enum": list(EVENTS)})]
"""An event that an endpoint may receive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointResource:
    """A URL that receives events of the tenant. Its secret is not shown."""

    id: UUID
    url: str
    events: Annotated[list[EventName], Field(description="The events it receives; empty: all of them.")]
    previous_until: Annotated[
        datetime | None, Field(description="Until then messages are signed with the previous secret too; null: not.")
    ]
    disabled_at: datetime | None
    disabled_reason: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointWithSecret(EndpointResource):
    """An endpoint and its new secret."""

    secret: Annotated[str, Field(description="Verifies messages. Shown only once.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointList:
    """Every endpoint of the tenant, oldest first."""

    data: list[EndpointResource]


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSecrets:
    """The secrets that verify deliveries to the `webhook_url` of the tenant's jobs."""

    secrets: Annotated[list[str], Field(description="Two while the secret is being replaced, the new one first.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageResource:
    """One event for one receiver, and how far its delivery is."""

    id: Annotated[str, Field(description="The `webhook-id` of every attempt.")]
    type: Annotated[EventType | ArkEvent, Field(description="`ark.…`: a callback of Ark's door.")]
    state: MessageState
    job_id: UUID | None
    endpoint_id: Annotated[UUID | None, Field(description="Null: it goes to the `webhook_url` of its job.")]
    url: Annotated[str | None, Field(description="Null: its endpoint was removed.")]
    attempts: int
    replays: int
    last_status: Annotated[int | None, Field(description="The HTTP status of the last attempt; null: no answer.")]
    last_error: str | None
    last_answer: Annotated[str | None, Field(description="The beginning of the last answer that was not 2xx.")]
    created_at: datetime
    due_at: Annotated[datetime | None, Field(description="When it is sent next; null: never.")]
    last_attempt_at: datetime | None
    delivered_at: datetime | None
    dead_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagePage:
    """Some messages, newest first; `next_cursor` is null on the last page."""

    data: list[MessageResource]
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayedMessages:
    """How many messages will be sent again."""

    replayed: int
