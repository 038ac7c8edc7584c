"""Events of all jobs, each with its job."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from uuid import UUID

from reelq_client.models.base import Model, Open
from reelq_client.models.jobs import JobError, JobEvent
from reelq_client.models.words import JobState


class EventJob(Model):
    """A job beside its event, as it was when the event was sent, without its request."""

    id: UUID
    state: Open[JobState]
    campaign: str | None
    idempotency_key: str | None
    priority: int
    tags: list[str]
    metadata: dict[str, Any]
    account: str | None
    gateway: str | None
    model: str | None
    attempt: int
    error: JobError | None
    cost: dict[str, Any] | None
    seed: int | None
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None
    links: dict[str, str]


class Event(JobEvent):
    """One event of the stream of all events. `position`: keep it, and give it as `after`, to continue there."""

    job: EventJob
    position: str


def read_event(data: str, position: str) -> Event:
    """An event from its JSON and its `id:`."""
    return Event.model_validate(json.loads(data) | {"position": position})
