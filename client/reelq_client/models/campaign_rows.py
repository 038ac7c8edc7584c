"""Rows of campaigns, and decisions about them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from reelq_client.models.base import Model, Open
from reelq_client.models.campaigns import Budget, BudgetReach, CostTotal, Pace, PlannedCost
from reelq_client.models.jobs import Job
from reelq_client.models.words import JobState, Review


class RowReview(Model):
    """What was decided about the video of a row."""

    state: Open[Review]
    at: datetime | None
    by: str | None
    comment: str | None


class CampaignRow(Model):
    """A row of a campaign, and the job that stands for it; `columns` are the cells of the sheet by column."""

    id: UUID
    row: int
    sheet: int
    variant: str
    key: str | None
    columns: dict[str, Any]
    state: Open[JobState]
    reason: str | None
    review: RowReview
    versions: int
    edited: bool
    job: Job
    links: dict[str, str]


class RowVersion(Model):
    """A job that was made for a row; `job` is None if it was deleted since."""

    version: int
    kind: str
    job_id: UUID
    job: Job | None


class CampaignRowDetail(CampaignRow):
    """A row with every job that was made for it, oldest first."""

    history: list[RowVersion]


class GatewayWords(Model):
    """What was said about some rows, by the gateway or by reelq."""

    message: str
    code: str
    rows: int
    by: Open[Literal["gateway", "reelq"]] = "gateway"


class RowReason(Model):
    """Rows that wait or have failed for one reason; `meaning` and `advice` by language."""

    code: str
    state: Open[JobState]
    rows: int
    meaning: dict[str, str]
    advice: dict[str, str]
    stage: str | None
    modality: str | None
    numbers: list[int]
    said: list[GatewayWords]
    cure: str | None


class WhoDecided(Model):
    """A decision about a campaign as a whole."""

    at: datetime
    what: str
    actor: str | None
    detail: dict[str, Any] | None


class ProofCounts(Model):
    """How far the proofs of a campaign are."""

    rows: int
    running: int
    failed: int
    awaiting_review: int
    expired: int
    rejected: int
    finals: int


class EndingDrafts(Model):
    """Drafts that wait for a decision, and until when a final can be made of them."""

    ends_at: datetime
    rows: int
    numbers: list[int]


class Standstill(Model):
    """Why jobs of a campaign wait for a person, and what to do."""

    code: str
    jobs: int
    advice: str


class CampaignOverview(Model):
    """A campaign by its rows."""

    campaign: str
    rows: int
    sheet_rows: int
    states: dict[str, int]
    reviews: dict[str, int]
    waiting_for: dict[str, int]
    reasons: list[RowReason]
    decisions: list[WhoDecided]
    proofs: ProofCounts | None
    ending_drafts: list[EndingDrafts]
    standstill: list[Standstill] = Field(default_factory=list)
    proof: bool
    pace: Pace
    created_at: datetime
    paused_at: datetime | None
    weight: int
    counts: dict[str, int]
    costs: list[CostTotal]
    budget: Budget | None
    notify: list[str] | None
    total: int
    finished: int
    links: dict[str, str]


class RowName(Model):
    """A row, as people and programs name it."""

    row: int
    key: str | None
    id: UUID


class LeftRows(Model):
    """Rows that take no part in a decision, for one reason."""

    code: str
    message: str
    count: int
    rows: list[RowName]


class NewVersion(Model):
    """A row and the job that a decision made for it."""

    row: int
    key: str | None
    id: UUID
    job_id: UUID


class RowDecision(Model):
    """What a decision does (`dry_run`), or did, with the chosen rows. `repeated`: its operation was carried out before,
    and nothing was done now; `acting`: in a dry run, the first 10,000 rows that take part."""

    campaign: str
    verb: str
    dry_run: bool
    operation: str | None
    repeated: bool = False
    rows: int
    acts: int
    acting: list[RowName] = Field(default_factory=list)
    done: int
    asked: int
    new_jobs: int
    cost: PlannedCost | None
    costs: list[PlannedCost]
    without_price: int
    budget: BudgetReach | None
    idle: list[LeftRows]
    refused: list[LeftRows]
    missing: list[str]
    jobs: list[NewVersion]
