"""What accounts would be sent for jobs, as the API shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from producer.explanation import Explanation
from producer.http.problem_details import FieldError

MAX_EXPLAINED = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RuledBy:
    """The row of the catalog that rules a job."""

    name: str
    as_of: str
    decided_by: Annotated[str, Field(description="Why it applies; see `GET /v1/catalog`.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedAccount:
    """One job at one account. With errors there is no request."""

    account: str
    gateway: str
    can_serve: bool
    errors: Annotated[list[FieldError], Field(description="Why it cannot serve the job.")]
    warnings: Annotated[list[FieldError], Field(description="Side effects, and what will differ.")]
    model: Annotated[str | None, Field(description="The gateway's own name of the model.")]
    row: RuledBy | None
    method: str | None
    url: str | None
    body: Annotated[
        dict[str, Any] | None,
        Field(description="In angle brackets: what is chosen when the job is submitted."),
    ]
    estimate: Annotated[dict[str, Any] | None, Field(description="Null: no price is known.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedJob:
    """One job: its own problems, or the answer of each account."""

    where: Annotated[str, Field(description="Its place in the body.")]
    job: Annotated[dict[str, Any], Field(description="Its fields, as they were read.")]
    problems: Annotated[list[FieldError], Field(description="Why it is no valid job.")]
    chosen: Annotated[str | None, Field(description="The account that is tried first; null: none can serve it.")]
    accounts: Annotated[list[ExplainedAccount], Field(description="In the order in which they are tried.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedJobs:
    """What accounts would be sent for jobs."""

    jobs: list[ExplainedJob]
    notes: Annotated[list[str], Field(description="How the body was read, where that is not obvious.")]


def as_explained(found: Explanation) -> ExplainedJob:
    """An explanation with typed parts."""
    document = found.as_dict()
    accounts = [
        ExplainedAccount(
            **item
            | {name: [FieldError(**problem) for problem in item[name]] for name in ("errors", "warnings")}
            | {"row": None if item["row"] is None else RuledBy(**item["row"])}
        )
        for item in document.pop("accounts")
    ]
    problems = [FieldError(**problem) for problem in document.pop("problems")]
    return ExplainedJob(**document, accounts=accounts, problems=problems)
