"""What accounts would be sent for jobs."""

from __future__ import annotations

from typing import Any

from reelq_client.models.base import Model
from reelq_client.models.problems import FieldError


class RuledBy(Model):
    """The row of the catalog that rules a job, and why."""

    name: str
    as_of: str
    decided_by: str


class ExplainedAccount(Model):
    """One job at one account; with errors there is no request."""

    account: str
    gateway: str
    can_serve: bool
    errors: list[FieldError]
    warnings: list[FieldError]
    model: str | None
    row: RuledBy | None
    method: str | None
    url: str | None
    body: dict[str, Any] | None
    estimate: dict[str, Any] | None


class ExplainedJob(Model):
    """One job: its own problems, or the answer of each account."""

    where: str
    job: dict[str, Any]
    problems: list[FieldError]
    chosen: str | None
    accounts: list[ExplainedAccount]


class ExplainedJobs(Model):
    """What accounts would be sent for jobs; `notes`: how the rows were read."""

    jobs: list[ExplainedJob]
    notes: list[str]
