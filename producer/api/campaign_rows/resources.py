"""Rows of campaigns, and decisions about them, as the API shows them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, RootModel

from producer.api.resources.campaigns import (
    BudgetResource,
    CampaignResource,
    CancelledCampaign,
    CostTotal,
    PaceResource,
    campaign_path,
)
from producer.api.resources.jobs import JobResource, as_resource, shortened
from producer.api.resources.plans import BudgetReach, PlannedCost
from producer.campaigns.decisions.verdicts import Verb
from producer.campaigns.overview import Overview
from producer.campaigns.results.results import Result, named_cells
from producer.operator_actions.standstill import Standstill
from storage.campaigns.proofs import EndingDrafts, ProofCounts
from storage.campaigns.reviews import Review
from storage.campaigns.versions import Version, VersionKind
from storage.jobs.records import JobView
from storage.jobs.states import JobState


@dataclass(frozen=True, slots=True, kw_only=True)
class RowReview:
    """What was decided about the video of a row."""

    state: Review
    at: datetime | None
    by: str | None
    comment: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignRow:
    """A row of a campaign: one video that it wants, and the job that stands for it now."""

    id: Annotated[UUID, Field(description="That of its first job.")]
    row: Annotated[int, Field(description="As a spreadsheet counts: the header is row 1.")]
    sheet: Annotated[int, Field(description="The file that it was in last, 1 for the campaign's first; 0: none.")]
    variant: Annotated[str, Field(description="Which of several videos of that row of the sheet; empty: the only one.")]
    key: Annotated[str | None, Field(description="The value in the key column.")]
    columns: Annotated[dict[str, Any], Field(description="Every cell of the sheet, by the name of its column.")]
    state: Annotated[JobState, Field(description="That of the job that stands for the row.")]
    reason: str | None
    review: RowReview
    versions: Annotated[int, Field(description="How many jobs were made for it.")]
    edited: Annotated[bool, Field(description="The sheet asks for something else than the newest version.")]
    job: Annotated[JobResource, Field(description="The job that stands for the row.")]
    links: Annotated[dict[str, str], Field(description="Paths of its routes.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowVersion:
    """A job that was made for a row. `job` is null if retention has deleted it."""

    version: Annotated[int, Field(description="1 for the first.")]
    kind: Annotated[VersionKind, Field(description="Why it was made.")]
    job_id: UUID
    job: JobResource | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignRowDetail(CampaignRow):
    """A row with every job that was made for it."""

    history: Annotated[list[RowVersion], Field(description="All versions, oldest first.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowPage:
    """Some rows in the order of their sheet; `next_cursor` is null on the last page."""

    data: list[CampaignRow]
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayWords:
    """What was said about some rows."""

    message: str
    code: Annotated[str, Field(description="The gateway's own; empty: none.")]
    rows: int
    by: Annotated[Literal["gateway", "reelq"], Field(description="Whose words the message is.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowReason:
    """Rows that wait or have failed for one reason."""

    code: str
    state: JobState
    rows: int
    meaning: Annotated[dict[str, str], Field(description="By language: en, zh.")]
    advice: Annotated[dict[str, str], Field(description="What to do, by language; empty: nothing.")]
    stage: Annotated[str | None, Field(description="Of a moderation: input or output.")]
    modality: Annotated[str | None, Field(description="Of a moderation: text, image, video or audio.")]
    numbers: Annotated[list[int], Field(description="The first rows.")]
    said: list[GatewayWords]
    cure: Annotated[str | None, Field(description="What a new attempt needs; null: the rows wait or were cancelled.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class WhoDecided:
    """A decision about a campaign as a whole."""

    at: datetime
    what: str
    actor: str | None
    detail: dict[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignOverview:
    """A campaign by its rows: states, reviews, what it waits for, reasons with advice, money."""

    campaign: Annotated[str, Field(description="Its name.")]
    rows: int
    sheet_rows: Annotated[int, Field(description="Rows of sheets; a template may make several videos of one.")]
    states: Annotated[dict[str, int], Field(description="Rows by state.")]
    reviews: Annotated[dict[str, int], Field(description="Rows by review.")]
    waiting_for: Annotated[dict[str, int], Field(description="Rows in the queue, by the reason why they wait.")]
    reasons: Annotated[list[RowReason], Field(description="Rows that need a person or have failed, in groups.")]
    decisions: Annotated[list[WhoDecided], Field(description="Who decided what about it, newest first.")]
    proofs: Annotated[ProofCounts | None, Field(description="How far its proofs are; null: it has none.")]
    ending_drafts: Annotated[list[EndingDrafts], Field(description="Drafts that wait, the soonest to end first.")]
    standstill: Annotated[
        list[Standstill],
        Field(description="Why nothing of it goes on before a person acts; empty: something does, or nothing waits."),
    ]
    proof: Annotated[bool, Field(description="Its rows are made as proofs first.")]
    pace: PaceResource
    created_at: datetime
    paused_at: Annotated[datetime | None, Field(description="Null: not paused.")]
    weight: int
    counts: Annotated[dict[str, int], Field(description="The same as `states`.")]
    costs: list[CostTotal]
    budget: Annotated[BudgetResource | None, Field(description="Null: no limit.")]
    notify: Annotated[list[str] | None, Field(description="Who gets mail about it; null: those whom the tenant names.")]
    total: Annotated[int, Field(description="The same as `rows`.")]
    finished: int
    links: Annotated[dict[str, str], Field(description="Paths of the campaign's other routes.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowName:
    """A row, as people and programs name it."""

    row: int
    key: str | None
    id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftRows:
    """Rows that take no part in a decision, for one reason."""

    code: str
    message: Annotated[str, Field(description="Completes a sentence that begins with the row.")]
    count: int
    rows: Annotated[list[RowName], Field(description="The first 1,000.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewVersion:
    """A row and the job that a decision made for it."""

    row: int
    key: str | None
    id: Annotated[UUID, Field(description="The row's.")]
    job_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class RowDecision:
    """What a decision does, or did, with the chosen rows."""

    campaign: str
    verb: Verb
    dry_run: Annotated[bool, Field(description="Nothing was done.")]
    operation: Annotated[str | None, Field(description="Its id, which timelines name; null: a dry run.")]
    repeated: Annotated[
        bool,
        Field(
            description="The operation was carried out before: nothing was done now, the rest is its first answer. A "
            "dry run with the id of an operation asks for that."
        ),
    ]
    rows: Annotated[int, Field(description="Rows that were chosen.")]
    acts: Annotated[int, Field(description="Rows that take part.")]
    acting: Annotated[list[RowName], Field(description="In a dry run: the first 10,000 of them.")]
    done: Annotated[int, Field(description="Rows with which it was done.")]
    asked: Annotated[int, Field(description="Rows whose gateways are asked to cancel.")]
    new_jobs: Annotated[int, Field(description="Jobs that it makes, which are billed.")]
    cost: Annotated[PlannedCost | None, Field(description="Of the new jobs; null: there are none, or no price.")]
    costs: Annotated[list[PlannedCost], Field(description="The same for every currency.")]
    without_price: Annotated[int, Field(description="New jobs without a known price.")]
    budget: Annotated[BudgetReach | None, Field(description="How far it reaches; null: no limit, or no new jobs.")]
    idle: Annotated[list[LeftRows], Field(description="Rows for which there is nothing to do.")]
    refused: Annotated[list[LeftRows], Field(description="Rows for which it cannot be done.")]
    missing: Annotated[list[str], Field(description="Chosen rows that do not exist.")]
    jobs: Annotated[list[NewVersion], Field(description="The new jobs.")]


class CancelAnswer(RootModel[CancelledCampaign | RowDecision]):
    """Of the whole campaign: how many jobs were cancelled. Of chosen rows: the decision."""


class ResumeAnswer(RootModel[CampaignResource | RowDecision]):
    """Of the whole campaign: the campaign. Of chosen rows: the decision."""


def as_row(campaign: str, columns: list[str], result: Result) -> CampaignRow:
    """A row with its job. Data URIs are cut short."""
    return CampaignRow(**_row(campaign, columns, result))


def as_row_detail(
    campaign: str, columns: list[str], result: Result, history: list[tuple[Version, JobView | None]]
) -> CampaignRowDetail:
    """A row with all its versions and their jobs."""
    versions = [
        RowVersion(
            version=item.version,
            kind=item.kind,
            job_id=item.job_id,
            job=None if job is None else shortened(as_resource(job)),
        )
        for item, job in history
    ]
    return CampaignRowDetail(**_row(campaign, columns, result), history=versions)


def _row(campaign: str, columns: list[str], result: Result) -> dict[str, Any]:
    row = result.row
    job = shortened(as_resource(result.job))
    return {
        "id": row.id,
        "row": row.number,
        "sheet": row.sheet,
        "variant": row.label,
        "key": row.key,
        "columns": named_cells(columns, result),
        "state": row.state,
        "reason": row.reason,
        "review": RowReview(state=row.review, at=row.reviewed_at, by=row.reviewed_by, comment=row.review_comment),
        "versions": row.versions,
        "edited": row.edited,
        "job": job,
        "links": job.links | {"self": f"{campaign_path(campaign)}/rows/{row.id}", "job": job.links["self"]},
    }


def as_overview(found: Overview) -> CampaignOverview:
    """A campaign by its rows."""
    document = found.as_dict()
    for counted in ("states", "reviews"):  # plain texts as names
        document[counted] = {str(name): number for name, number in document[counted].items()}
    reasons = [
        RowReason(**group | {"said": [GatewayWords(**words) for words in group["said"]]})
        for group in document.pop("reasons")
    ]
    return CampaignOverview(**document, reasons=reasons, links=campaign_links(found.status.name))


def campaign_links(name: str) -> dict[str, str]:
    """Paths of the routes about the rows of a campaign."""
    self = campaign_path(name)
    return {
        "self": self,
        **{
            route: f"{self}/{route}" for route in ("status", "rows", "export", "sheet", "videos", "shares", "decisions")
        },
        **{str(verb): f"{self}/{verb}" for verb in Verb},
    }


def as_decision(document: dict[str, Any], *, dry_run: bool, repeated: bool = False) -> RowDecision:
    """A decision from its JSON document; of a preview, what is not known yet is empty."""
    # An operation of an earlier release has no `acting`.
    nothing: dict[str, Any] = {"operation": None, "done": 0, "asked": 0, "jobs": [], "acting": []}
    return RowDecision(**nothing | document, dry_run=dry_run, repeated=repeated)
