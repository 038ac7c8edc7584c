"""Campaigns and their plans."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from reelq_client.models.base import Model, Open
from reelq_client.models.jobs import Job


class Budget(Model):
    """What a campaign or a tenant may spend, and how much of it is gone."""

    amount: float
    currency: str
    spent: float
    reserved: float
    held: bool


class CostTotal(Model):
    """Costs in one currency."""

    currency: str
    estimated_jobs: int
    estimated_low: float
    estimated_high: float
    by_list_price: int
    reported_jobs: int
    reported: float
    compared: float
    compared_low: float
    compared_high: float
    drift: float


class Pace(Model):
    """When and how fast a campaign submits. `waits_for`: why nothing is submitted now; `goes_on_at`: when that ends."""

    start_at: datetime | None
    quiet_hours: str | None
    time_zone: str | None
    max_concurrent: int | None
    in_use: int | None
    waits_for: Open[Literal["before_start", "quiet_hours"]] | None
    goes_on_at: datetime | None


class Campaign(Model):
    """A named set of jobs; `counts` has its jobs by state."""

    name: str
    created_at: datetime
    paused_at: datetime | None
    weight: int
    counts: dict[str, int]
    total: int
    finished: int
    costs: list[CostTotal]
    budget: Budget | None
    notify: list[str] | None
    proof: bool
    pace: Pace
    links: dict[str, str]


class CurrencyEstimate(Model):
    """What jobs will cost in one currency."""

    currency: str
    jobs: int
    low: float
    high: float
    by_list_price: int


class EditedRows(Model):
    """Rows that were edited since they were stored, by what a run does with them. `replaced`: the new request replaces
    the old one; `again`: the new request is made; `paid_for`: the old request stays until a reroll."""

    replaced: list[int]
    again: list[int]
    paid_for: list[int]


class BadCell(Model):
    """What is wrong in one row."""

    row: int
    column: str
    key: str | None
    message: str


class ProofKinds(Model):
    """How many proofs of each kind jobs are."""

    drafts: int
    looks: int
    as_asked: int


class RowLeftBehind(Model):
    """A row of an earlier sheet, which will be generated and billed unless it is cancelled."""

    row: int
    key: str | None
    id: UUID
    job_id: UUID


class StoredCampaign(Model):
    """A campaign whose rows are all stored; `ids` are its jobs, in the order of the rows. `not_in_file`: rows of an
    earlier sheet that still wait; `reading`: of the notes, how the sheet was read."""

    campaign: str
    rows: int
    created: int
    known: int
    notes: list[str]
    ids: list[UUID]
    sheet_rows: int = 0
    edited: EditedRows
    differs: list[str] = Field(default_factory=list)
    proofs: ProofKinds | None = None
    not_in_file: list[RowLeftBehind] = Field(default_factory=list)
    reading: list[str] = Field(default_factory=list)
    estimates: list[CurrencyEstimate]
    without_price: int
    skipped: list[BadCell] = Field(default_factory=list)


class CheckedCampaign(Model):
    """A dry run: every row was checked, nothing is stored."""

    campaign: str
    rows: int
    dry_run: Literal[True]
    notes: list[str]
    estimates: list[CurrencyEstimate]
    without_price: int
    skipped: list[BadCell] = Field(default_factory=list)


class CancelledCampaign(Model):
    """The result of cancelling a campaign."""

    cancelled: int
    asked: int
    refused: int
    campaign: Campaign


class ManifestJob(Job):
    """A job of a campaign's manifest; `link` leads to its video, without a key if it is a link into the bucket."""

    link: str | None = Field(default=None, validation_alias="video_url")


class PlannedCost(Model):
    """What the new jobs will cost in one currency; None: no price is known."""

    currency: str | None
    low: float
    high: float
    jobs: int
    by_list_price: int


class BudgetReach(Model):
    """How far the budget reaches."""

    amount: float
    left: float
    currency: str
    pays_for: int
    of: int


class PlannedProofs(ProofKinds):
    """The new jobs are proofs, of which finals are made once they are approved."""

    finals: int
    finals_costs: list[PlannedCost]
    finals_without_price: int
    finals_paid_for: int | None


class PlannedFinish(Model):
    """When everything will be done."""

    p50: datetime | None
    p90: datetime | None
    p50_s: float | None
    p90_s: float | None
    assumes: list[str]


class LateRow(Model):
    """A row that may miss its deadline."""

    row: int
    chance: float


class PlannedMedia(Model):
    """Media that rows name by URL."""

    fetched: int | None
    unusable: int


class Sample(Model):
    """One of the jobs, as it would be stored."""

    row: int
    key: str | None
    request: dict[str, Any]


class PlannedColumns(Model):
    """The columns that are used, and those that are kept with the jobs."""

    used: list[str]
    kept: list[str]


class Plan(Model):
    """Everything that can be known about a campaign before money is spent."""

    campaign: str | None
    rows: int
    good: int
    jobs: int
    known: int
    edited: EditedRows
    bad: list[BadCell]
    duplicates: list[list[int]]
    cost: PlannedCost
    costs: list[PlannedCost]
    without_price: int
    budget: BudgetReach | None
    proofs: PlannedProofs | None
    finish: PlannedFinish
    late: list[LateRow]
    media: PlannedMedia
    samples: list[Sample]
    columns: PlannedColumns
    encoding: str | None
    sheet: str | None
    notes: list[str]
