"""Campaigns as the API shows them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal
from urllib.parse import quote
from uuid import UUID

from pydantic import Field

from producer.api.resources.jobs import NOTES, RowCounts
from producer.api.resources.plans import BadCell, EditedRows, ProofKinds
from producer.campaigns.status import CampaignStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetResource:
    """What a campaign or a tenant may spend, and how much of it is gone. Amounts are in `currency`."""

    amount: float
    currency: str
    spent: float
    reserved: Annotated[float, Field(description="What the jobs at gateways may still cost.")]
    held: Annotated[bool, Field(description="True while some jobs do not fit into what is left.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class CostTotal:
    """Costs in one currency. `compared…` sums the jobs that have both an estimate and a reported cost."""

    currency: str
    estimated_jobs: int
    estimated_low: float
    estimated_high: float
    by_list_price: Annotated[int, Field(description="Of the estimated jobs: the gateway publishes no price for them.")]
    reported_jobs: int
    reported: Annotated[float, Field(description="What the gateways reported.")]
    compared: Annotated[float, Field(description="Reported.")]
    compared_low: Annotated[float, Field(description="Estimated, at least.")]
    compared_high: Annotated[float, Field(description="Estimated, at most.")]
    drift: Annotated[float, Field(description="Reported above the estimates; below 0: under them; 0: within them.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class PaceResource:
    """When and how fast a campaign submits."""

    start_at: Annotated[datetime | None, Field(description="Nothing is submitted before; null: at once.")]
    quiet_hours: Annotated[str | None, Field(description='As in "22:00-07:00"; null: none.')]
    time_zone: Annotated[str | None, Field(description="Of the quiet hours.")]
    max_concurrent: Annotated[int | None, Field(description="Jobs at gateways at once, at most; null: no limit.")]
    in_use: Annotated[int | None, Field(description="Jobs that count for that now.")]
    waits_for: Annotated[
        Literal["before_start", "quiet_hours"] | None, Field(description="Why nothing is submitted now.")
    ]
    goes_on_at: Annotated[datetime | None, Field(description="When that ends.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignResource:
    """A named set of jobs."""

    name: str
    created_at: datetime
    paused_at: Annotated[datetime | None, Field(description="Null: not paused.")]
    weight: Annotated[int, Field(description="Its share of the slots, relative to the tenant's other campaigns.")]
    counts: Annotated[dict[str, int], Field(description="Rows by state. The newest version of a row counts.")]
    total: Annotated[int, Field(description="All rows.")]
    finished: Annotated[int, Field(description="Rows that have succeeded, failed or were cancelled.")]
    costs: Annotated[list[CostTotal], Field(description="Estimated and reported, one entry per currency.")]
    budget: Annotated[BudgetResource | None, Field(description="Null: no limit.")]
    notify: Annotated[list[str] | None, Field(description="Who gets mail about it; null: those whom the tenant names.")]
    proof: Annotated[bool, Field(description="Its rows are made as proofs first.")]
    pace: PaceResource
    links: Annotated[dict[str, str], Field(description="Paths of the campaign's other routes.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignPage:
    """Some campaigns, newest first; `next_cursor` is null on the last page."""

    data: list[CampaignResource]
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrencyEstimate:
    """What jobs will cost in one currency."""

    currency: str
    jobs: int
    low: float
    high: float
    by_list_price: Annotated[int, Field(description="Of the jobs: the gateway publishes no price for them.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowLeftBehind:
    """A row of an earlier sheet, which will be generated and billed unless it is cancelled."""

    row: int
    key: str | None
    id: UUID
    job_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCampaign(RowCounts):
    """A campaign whose rows are all stored."""

    campaign: Annotated[str, Field(description="Its name.")]
    ids: Annotated[list[UUID], Field(description="The jobs, in the order of the rows.")]
    sheet_rows: Annotated[int, Field(description="Rows of the sheet; a template may make several jobs of one.")]
    edited: EditedRows
    differs: Annotated[list[str], Field(description="Fields, beside the request, that known jobs keep as they were.")]
    proofs: Annotated[ProofKinds | None, Field(description="Null: the jobs are no proofs.")]
    not_in_file: Annotated[
        list[RowLeftBehind],
        Field(description="Rows that still wait although the sheet has them no more, at most 1,000."),
    ]
    reading: Annotated[list[str], Field(description="Of `notes`: how the sheet was read.")]
    estimates: list[CurrencyEstimate]
    without_price: Annotated[int, Field(description="Jobs without a known price.")]
    skipped: Annotated[
        list[BadCell], Field(description="With `skip_bad`: what is wrong in the rows that were left out.")
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedCampaign:
    """A dry run: every row was checked, nothing is stored."""

    campaign: Annotated[str, Field(description="Its name.")]
    rows: int
    dry_run: Literal[True]
    notes: Annotated[list[str], Field(description=NOTES)]
    estimates: list[CurrencyEstimate]
    without_price: Annotated[int, Field(description="Jobs without a known price.")]
    skipped: Annotated[
        list[BadCell], Field(description="With `skip_bad`: what is wrong in the rows that were left out.")
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelledCampaign:
    """The result of cancelling a campaign."""

    cancelled: Annotated[int, Field(description="Jobs cancelled now.")]
    asked: Annotated[int, Field(description="Jobs that a worker now asks their gateways to cancel.")]
    refused: Annotated[int, Field(description="Jobs still running: already billed, and `discard` was not set.")]
    campaign: CampaignResource


def campaign_path(name: str) -> str:
    """The route of a campaign."""
    return f"/v1/campaigns/{quote(name, safe='')}"


def as_campaign(status: CampaignStatus) -> CampaignResource:
    """A campaign with its links."""
    self = campaign_path(status.name)
    return CampaignResource(
        **status.as_dict(),
        links={
            "self": self,
            "status": f"{self}/status",
            "rows": f"{self}/rows",
            "manifest": f"{self}/manifest",
            "cancel": f"{self}/cancel",
            "pause": f"{self}/pause",
            "resume": f"{self}/resume",
            "jobs": f"/v1/jobs?campaign={quote(status.name, safe='')}",
        },
    )
