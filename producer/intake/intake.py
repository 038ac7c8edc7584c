"""From rows to jobs ready to store: everything is checked before anything is uploaded or written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from producer.errors import InvalidRows
from producer.intake.estimates import estimate_of, prices_of
from producer.intake.job_spec import JobSpec, hash_of, parse_job
from producer.intake.media_check import MediaFacts
from producer.intake.routing import able, fits, require_accounts
from producer.intake.uploads import LocalFiles
from producer.intake.webhook_urls import job_url_problem
from seedance.problems import InvalidInput, Problem
from storage.jobs.enqueue import new_job_id
from storage.jobs.records import FinalOf, NewJob
from storage.settings import Settings

MAX_BAD_ROWS = 20
"""After this many invalid rows the rest is not checked."""


@dataclass(frozen=True, slots=True)
class Row:
    """One job as it was written, and the place it was written at ("jobs.jsonl line 3", "" for a single one).

    `called`: what its author calls a field, where that is another name. `draft`: of a final; see `finals`.
    """

    where: str
    fields: Mapping[str, Any]
    called: Mapping[str, str] = field(default_factory=dict)
    draft: FinalOf | None = None

    def in_its_words(self, exc: InvalidInput) -> InvalidInput:
        """The same problems with the row's place and its author's names of fields."""
        return InvalidInput([self._renamed(problem) for problem in exc.problems], self.where)

    def _renamed(self, problem: Problem) -> Problem:
        name, bracket, rest = problem.field.partition("[")
        called = self.called.get(name)
        return problem if called is None else Problem(f"{called}{bracket}{rest} ({name})", problem.message)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A valid job; its local files are named by content."""

    where: str
    spec: JobSpec
    idempotency_key: str | None
    request: dict[str, Any]
    """Canonical."""
    request_hash: str
    gateways: Sequence[str]
    estimate: Mapping[str, Any] | None
    """What it will cost at the first account that can serve it; None if no price is known."""
    prices: Mapping[str, Mapping[str, float]]
    """The most that it will cost at each account that can serve it, by currency."""
    draft: FinalOf | None = None
    """The draft that it is the final of."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Jobs to store together, and the local files they need."""

    jobs: Sequence[Prepared]
    files: LocalFiles


def prepare(rows: Iterable[Row | InvalidInput], settings: Settings, base: Path | None) -> Batch:
    """Check rows; an `InvalidInput` among them is a row that could not be read.

    `base` is the directory that relative paths start from; None: local paths are refused.

    Raises:
        InvalidInput: no account is configured.
        InvalidRows: some rows break rules, or no configured account can serve them.
    """
    require_accounts(settings.accounts)
    files = LocalFiles(base)
    good: list[Prepared] = []
    bad: list[InvalidInput] = []
    more = False
    with closing(files):
        for row in _all(rows):
            if len(bad) >= MAX_BAD_ROWS:
                more = True
                break
            if isinstance(row, InvalidInput):
                bad.append(row)
                continue
            try:
                good.append(_prepare_one(row, settings, files))
            except InvalidInput as exc:
                bad.append(row.in_its_words(exc))
    if bad:
        raise InvalidRows(bad, more)
    return Batch(good, files)


def _all(rows: Iterable[Row | InvalidInput]) -> Iterator[Row | InvalidInput]:
    """The rows, then the error that ended reading, if any, so that it is reported with the invalid rows before it."""
    try:
        yield from rows
    except InvalidInput as exc:
        yield exc


def _prepare_one(row: Row, settings: Settings, files: LocalFiles) -> Prepared:
    return as_prepared(files.replace(parse_job(row.fields)), settings, row.where, files.facts, row.draft)


def as_prepared(
    spec: JobSpec,
    settings: Settings,
    where: str = "",
    facts: Mapping[str, MediaFacts] | None = None,
    draft: FinalOf | None = None,
) -> Prepared:
    """Check a job against the configured accounts; `facts`: facts about its local files, by reference; `draft`: what it
    is the final of.

    Raises:
        InvalidInput: none of them can serve it, its `webhook_url` would never be called, or it names a draft that was
            not looked up.
    """
    if spec.draft_of is not None and draft is None:
        raise InvalidInput([Problem("draft_of", "cannot be combined with the fields of its draft")])
    if spec.webhook_url is not None and (problem := job_url_problem(spec.webhook_url, settings)) is not None:
        raise InvalidInput([Problem("webhook_url", problem)])
    accounts = able(fits(spec, settings, spec.account, facts))
    gateways = tuple(dict.fromkeys(account.gateway for account in accounts))
    request = spec.canonical()
    estimates = {account.name: estimate_of(account, spec, facts or {}) for account in accounts}
    return Prepared(
        where,
        spec,
        spec.idempotency_key,
        request,
        hash_of(request, spec.account),
        gateways,
        estimates[accounts[0].name],
        prices_of(estimates),
        draft,
    )


def with_derived_keys(jobs: Iterable[Prepared], campaign: str) -> list[Prepared]:
    """Derive idempotency keys for rows without one, so that the same rows again are the same jobs.

    The key covers the campaign, the request, and how often the same request occurs earlier in the file.
    """
    seen: dict[str, int] = {}
    keyed = []
    for job in jobs:
        if job.idempotency_key is None:
            nth = seen[job.request_hash] = seen.get(job.request_hash, 0) + 1
            job = replace(job, idempotency_key=f"campaign:{campaign}:{job.request_hash[:32]}:{nth}")
        keyed.append(job)
    return keyed


def as_new_job(job: Prepared, tenant: str, campaign_id: UUID | None) -> NewJob:
    """The row to store."""
    spec = job.spec
    return NewJob(
        id=new_job_id(),
        request=job.request,
        request_hash=job.request_hash,
        gateways=job.gateways,
        estimate=job.estimate,
        prices=job.prices,
        tenant=tenant,
        campaign_id=campaign_id,
        idempotency_key=job.idempotency_key,
        account_pin=spec.account,
        priority=spec.priority,
        deadline_at=spec.deadline if isinstance(spec.deadline, datetime) else None,
        deadline_s=spec.deadline if isinstance(spec.deadline, float) else None,
        webhook_url=spec.webhook_url,
        metadata=spec.metadata,
        tags=spec.tags,
        draft=job.draft,
    )
