"""Jobs, their events, and the reports of batches."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import Field, PrivateAttr

from reelq_client.models.base import Model, Open
from reelq_client.models.problems import FieldError, OpenAIError
from reelq_client.models.words import TERMINAL, Basis, JobState


class JobError(Model):
    """Why a job failed, or what stopped its last attempt."""

    code: str = ""
    message: str = ""
    stage: str | None = None
    field: str | None = None


class Job(Model):
    """A job. `links` has a file only once the file exists."""

    id: UUID
    state: Open[JobState]
    campaign: str | None
    idempotency_key: str | None
    request: dict[str, Any]
    priority: int
    tags: list[str]
    metadata: dict[str, Any]
    webhook_url: str | None
    account: str | None
    account_pin: str | None
    gateway: str | None
    model: str | None
    gateway_task_id: str | None
    attempt: int
    polls: int
    reason: str | None
    error: JobError | None
    usage: dict[str, Any] | None
    estimate: dict[str, Any] | None
    cost: dict[str, Any] | None
    seed: int | None
    object_key: str | None
    playable_key: str | None
    poster_key: str | None
    last_frame_key: str | None
    size_bytes: int | None
    sha256: str | None
    video_format: dict[str, Any] | None
    due_at: datetime | None
    deadline_at: datetime | None
    created_at: datetime
    updated_at: datetime
    submitted_at: datetime | None
    generated_at: datetime | None
    video_expires_at: datetime | None
    finished_at: datetime | None
    cancel_request: str | None
    deleted_at: datetime | None
    draft_of: UUID | None
    draft_task_id: str | None
    draft_ends_at: datetime | None
    finals: list[UUID]
    links: dict[str, str]

    _base_url: str = PrivateAttr("")

    def model_post_init(self, context: Any, /) -> None:
        """Remember where the links lead."""
        if isinstance(context, dict):
            self._base_url = context.get("base_url", "")

    @property
    def terminal(self) -> bool:
        """Whether the job has succeeded, failed or was cancelled."""
        return self.state in TERMINAL

    @property
    def held(self) -> bool:
        """Whether the job waits for a person: the gateway may have accepted it, or not."""
        return self.state == "unconfirmed" and self.reason == "held"

    @property
    def video_url(self) -> str | None:
        """The video at the API, which needs the key; `jobs.video(id).link()` gives a link that needs none. None: there
        is no video."""
        path = self.links.get("video")
        return None if path is None else f"{self._base_url}{path}" if path.startswith("/") else path


class JobEvent(Model):
    """One change of a job's state."""

    id: int
    job_id: UUID
    at: datetime
    source: Open[JobState] | None
    target: Open[JobState]
    reason: str
    detail: dict[str, Any] | None
    actor: str | None


class JobTimeline(Model):
    """The events of one job, oldest first."""

    data: list[JobEvent]


class AttemptResource(Model):
    """One request to a gateway that may have been charged."""

    number: int
    account: str
    gateway: str | None
    model: str
    started_at: datetime
    finished_at: datetime | None
    outcome: str | None
    http_status: int | None
    gateway_task_id: str | None
    reported_task_id: str | None
    surplus: bool
    candidates: list[dict[str, Any]] | None
    error: dict[str, Any] | None


class WaitResource(Model):
    """One reason why a job waits; `values` has what belongs to the code."""

    code: str
    values: dict[str, Any]


class JobAttempts(Model):
    """The attempts of a job, oldest first, and why it waits."""

    data: list[AttemptResource]
    waits: list[WaitResource]


class BatchRow(Model):
    """A row of a batch: stored (`id`), or refused (`error`)."""

    line: int
    id: UUID | None = None
    created: bool | None = None
    differs: list[str] = Field(default_factory=list)
    error: OpenAIError | None = None
    errors: list[FieldError] = Field(default_factory=list)


class BatchReport(Model):
    """What happened to the rows of a batch."""

    rows: int
    created: int
    known: int
    refused: int
    notes: list[str]
    results: list[BatchRow]


class OtherCurrency(Model):
    """What a job will cost by a price in another currency."""

    low: float
    high: float
    basis: Open[Basis]
    inferred: bool


class JobEstimate(Model):
    """What a job will cost, between `low` and `high`."""

    account: str
    model: str
    low: float
    high: float
    currency: str
    as_of: date
    basis: Open[Basis]
    inferred: bool
    tokens: list[int] | None
    also: dict[str, OtherCurrency]


class AccountEstimate(Model):
    """What a job would cost at one account; `problems`: why the account cannot serve it."""

    account: str
    gateway: str
    can_serve: bool
    problems: list[FieldError]
    estimate: JobEstimate | None


class Estimates(Model):
    """What a job would cost at every account, in the order they are tried."""

    chosen: str
    estimate: JobEstimate | None
    accounts: list[AccountEstimate]


class CopyWaits(Model):
    """A playable copy that is not ready yet."""

    state: Literal["waiting"]
    job_id: UUID
