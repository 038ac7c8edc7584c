"""Endpoints, messages, and the events that receivers get."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from reelq_client.models.base import Model, Open
from reelq_client.models.words import EventName, EventType, MessageState


class Endpoint(Model):
    """A URL that receives events of the tenant."""

    id: UUID
    url: str
    events: list[Open[EventName]]
    previous_until: datetime | None
    disabled_at: datetime | None
    disabled_reason: str | None
    created_at: datetime


class EndpointWithSecret(Endpoint):
    """An endpoint and its new secret."""

    secret: str


class EndpointList(Model):
    """Every endpoint of the tenant, oldest first."""

    data: list[Endpoint]


class WebhookSecrets(Model):
    """The secrets that verify deliveries to the `webhook_url` of jobs, the new one first."""

    secrets: list[str]


class Message(Model):
    """One event for one receiver, and how far its delivery is."""

    id: str
    type: Open[EventType]
    state: Open[MessageState]
    job_id: UUID | None
    endpoint_id: UUID | None
    url: str | None
    attempts: int
    replays: int
    last_status: int | None
    last_error: str | None
    last_answer: str | None
    created_at: datetime
    due_at: datetime | None
    last_attempt_at: datetime | None
    delivered_at: datetime | None
    dead_at: datetime | None


class ReplayedMessages(Model):
    """How many messages will be sent again."""

    replayed: int


class WebhookEvent(Model):
    """What a receiver gets. `data` is the job, or the campaign. `id` is the same each time that a message is sent."""

    id: str
    type: Open[EventType]
    timestamp: datetime
    data: dict[str, Any]
