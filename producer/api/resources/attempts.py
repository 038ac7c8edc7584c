"""A job's attempts, as the API shows them: without what belongs to callbacks and correlation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import Field

from producer.operator_actions.waiting import WaitReason


@dataclass(frozen=True, slots=True)
class AttemptResource:
    """One request to a gateway that may have been charged."""

    number: int
    account: str
    gateway: str | None
    model: str
    started_at: datetime
    finished_at: datetime | None
    outcome: Annotated[str | None, Field(description="What its answer meant, as a code; null: no answer yet.")]
    http_status: int | None
    gateway_task_id: str | None
    reported_task_id: Annotated[str | None, Field(description="The task that a callback or a list named.")]
    surplus: Annotated[bool, Field(description="It was accepted, but the job uses another attempt's task.")]
    candidates: Annotated[
        list[dict[str, Any]] | None, Field(description="Tasks of the gateway that may belong to this attempt.")
    ]
    error: dict[str, Any] | None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> AttemptResource:
        """The attempt of a row of the database."""
        return cls(**{item.name: row[item.name] for item in fields(cls)})


@dataclass(frozen=True, slots=True)
class WaitResource:
    """One reason why a job waits."""

    code: str
    values: Annotated[dict[str, Any], Field(description="What belongs to the code, such as `account` and `until`.")]

    @classmethod
    def of(cls, reason: WaitReason) -> WaitResource:
        """The reason, with amounts as plain numbers."""
        values = {name: float(value) if isinstance(value, Decimal) else value for name, value in reason.values.items()}
        return cls(reason.code, values)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobAttempts:
    """The attempts of a job, oldest first, and why it waits."""

    data: list[AttemptResource]
    waits: list[WaitResource]
