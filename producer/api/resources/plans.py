"""Plans as the API shows them: `Plan.as_dict`, typed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field


@dataclass(frozen=True, slots=True, kw_only=True)
class BadCell:
    """What is wrong in one row."""

    row: Annotated[int, Field(description="As a spreadsheet counts: the header is row 1. In JSONL, the line.")]
    column: Annotated[str, Field(description="As it is named in the file; empty: the row as a whole.")]
    key: Annotated[str | None, Field(description="The value in the row's key column, if it has one.")]
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedCost:
    """What the new jobs will cost in one currency; null: no price is known."""

    currency: str | None
    low: float
    high: float
    jobs: int
    by_list_price: Annotated[int, Field(description="Of the jobs: the gateway publishes no price for them.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetReach:
    """How far the budget reaches: it surely pays for `pays_for` of the new jobs."""

    amount: float
    left: Annotated[float, Field(description="What may still be spent.")]
    currency: str
    pays_for: int
    of: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofKinds:
    """How many proofs of each kind jobs are."""

    drafts: int
    looks: Annotated[int, Field(description="The same in a low resolution; their finals are generated again.")]
    as_asked: Annotated[int, Field(description="Nothing is cheaper than the row itself: it is made at once.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedProofs(ProofKinds):
    """The new jobs are proofs, of which finals are made once they are approved. `cost` is that of the proofs."""

    finals: Annotated[int, Field(description="If all are approved.")]
    finals_costs: list[PlannedCost]
    finals_without_price: int
    finals_paid_for: Annotated[int | None, Field(description="By the budget, after the proofs; null: no limit.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedFinish:
    """When everything will be done, from a simulation; null: no account works at the moment."""

    p50: Annotated[datetime | None, Field(description="As likely as not by then.")]
    p90: Annotated[datetime | None, Field(description="In nine of ten cases by then.")]
    p50_s: float | None
    p90_s: float | None
    assumes: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class LateRow:
    """A row that may miss its deadline."""

    row: int
    chance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedMedia:
    """Media that rows name by URL; `fetched` null: none was fetched."""

    fetched: int | None
    unusable: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One of the jobs, as it would be stored."""

    row: int
    key: str | None
    request: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedColumns:
    """The columns that are used, and those that are kept with the jobs."""

    used: list[str]
    kept: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class EditedRows:
    """Rows that were edited since they were stored, by what a run does with them."""

    replaced: Annotated[list[int], Field(description="Not submitted yet: the new request replaces the old one.")]
    again: Annotated[list[int], Field(description="Failed without a bill: the new request is made.")]
    paid_for: Annotated[list[int], Field(description="Submitted: the old request stays until a reroll.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanResource:
    """Everything that can be known about a campaign before money is spent. Nothing is stored."""

    campaign: str | None
    rows: int
    good: Annotated[int, Field(description="Rows without a problem.")]
    jobs: Annotated[int, Field(description="Jobs of the good rows: a template may make several of each.")]
    known: Annotated[int, Field(description="Jobs that the campaign has already; they cost nothing again.")]
    edited: EditedRows
    bad: list[BadCell]
    duplicates: Annotated[list[list[int]], Field(description="Rows that make the same request.")]
    cost: PlannedCost
    costs: Annotated[list[PlannedCost], Field(description="The same for every currency.")]
    without_price: Annotated[int, Field(description="New jobs without a known price.")]
    budget: Annotated[BudgetReach | None, Field(description="Null: no limit.")]
    proofs: Annotated[PlannedProofs | None, Field(description="Null: the campaign makes no proofs.")]
    finish: PlannedFinish
    late: list[LateRow]
    media: PlannedMedia
    samples: list[Sample]
    columns: PlannedColumns
    encoding: Annotated[str | None, Field(description="Of a text; null: it is a workbook.")]
    sheet: Annotated[str | None, Field(description="The sheet of a workbook.")]
    notes: Annotated[list[str], Field(description="How the body was read, and what to look at.")]
