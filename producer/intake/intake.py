"""From rows to jobs ready to store: everything is checked before anything is uploaded or written."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any
from uuid import UUID

from producer.errors import BadRow, CellError, InvalidRows
from producer.intake.job_spec import MAX_KEY_CHARS, JobSpec, hash_of, parse_job, problems_of_each
from producer.intake.media_check import MediaFacts
from producer.intake.offers import Offers
from producer.intake.routing import require_accounts
from producer.intake.uploads import LocalFiles
from producer.intake.webhook_urls import job_url_problem
from seedance.problems import InvalidInput, Problem
from storage.jobs.enqueue import new_job_id
from storage.jobs.records import FinalOf, NewJob
from storage.logs.context import fields_now
from storage.settings import Settings
from storage.tracing.context import current_traceparent

MAX_BAD_ROWS = 20
"""After this many invalid rows the rest is not checked."""
_EMPTY: Mapping[str, Any] = MappingProxyType({})


@dataclass(slots=True)  # as `NewJob`
class Row:
    """One job as it was written, and the place it was written at ("jobs.jsonl line 3", "" for a single one).

    `called`: what its author calls a field, where that is another name. `number`: of the row in its file; several jobs
    may come from one row. `key` names the row for people. `entity`: what makes the job the same one when its row is
    edited; None: its request does. `columns`: every filled cell by the names that its author may use for it. `draft`:
    of a final; see `finals`. `label`: which of several jobs of the row. `cells`: the whole row as it came, as a JSON
    list in the order of `Report.header`; empty: it came without a sheet. `look_of`: the job of an ordinary video that
    it generates again, larger. `shown`: of `columns`, the numbers for which the sheet shows something else.
    """

    where: str
    fields: Mapping[str, Any]
    called: Mapping[str, str] = field(default_factory=lambda: _EMPTY)
    number: int = 0
    key: str | None = None
    entity: str | None = None
    columns: Mapping[str, str] = field(default_factory=lambda: _EMPTY)
    draft: FinalOf | None = None
    label: str = ""
    cells: bytes = b""
    look_of: UUID | None = None
    shown: Mapping[str, str] = field(default_factory=lambda: _EMPTY)

    def place(self) -> Row:
        """The same row without its parsed content, which a hundred thousand rows would keep in memory."""
        return Row(
            self.where,
            _EMPTY,
            self.called,
            self.number,
            self.key,
            self.entity,
            _EMPTY,
            self.draft,
            self.label,
            self.cells,
            self.look_of,
        )

    def faults(self, *, without: Collection[str]) -> list[Problem]:
        """What is wrong with its fields, each by itself, except `without`: rules about several are not applied."""
        known = {"prompt", *without} if "draft_of" in self.fields else without  # a final has its draft's prompt
        return [item for item in problems_of_each(self.fields) if item.field.partition("[")[0] not in known]

    def bad(self, problems: Sequence[Problem]) -> BadRow:
        """These problems as an error of this row, with its author's names of fields."""
        renamed = [self._renamed(problem) for problem in problems]
        return BadRow([item for item, _ in renamed], self.where, self.number, self.key, [cell for _, cell in renamed])

    def _renamed(self, problem: Problem) -> tuple[Problem, CellError]:
        name, bracket, rest = problem.field.partition("[")
        called = self.called.get(name)
        if called is None:
            return problem, CellError(name, problem.message if not bracket else f"{problem.field}: {problem.message}")
        full = Problem(f"{called}{bracket}{rest} ({name})", problem.message)
        return full, CellError(called, f"{problem.field}: {problem.message}")


@dataclass(frozen=True, slots=True)
class MadeLater:
    """The video that is made of a proof once that is approved. `of_draft`: as the final of a draft; else it is
    generated again. `fields`: of the final, beside those of the proof; `estimate`, `prices`, `priority`: as of
    a job."""

    of_draft: bool
    fields: Mapping[str, Any]
    estimate: Mapping[str, Any] | None
    prices: Mapping[str, Mapping[str, float]]
    priority: int


@dataclass(slots=True)  # as `NewJob`
class Prepared:
    """A valid job; its local files are named by content."""

    row: Row
    """Its place; the content is in `spec`."""
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
    ark: Mapping[str, Any] | None = None
    """What only Ark's door knows of it."""
    later: MadeLater | None = None
    """It is a proof, of which this is made once it is approved; None: it is none."""
    log_fields: Mapping[str, Any] = field(default_factory=fields_now)
    traceparent: str | None = field(default_factory=current_traceparent)
    """Of the request that it came in."""

    @property
    def where(self) -> str:
        """The place that it was written at."""
        return self.row.where

    @property
    def asked_hash(self) -> str:
        """What the author asks for: the request, and of a proof also the final."""
        if self.later is None:
            return self.request_hash
        return hash_of({"proof": self.request_hash, "final": self.later.fields}, None)

    @property
    def version_of(self) -> UUID | None:
        """The job of the draft or look that it makes final; None: it is no final."""
        return self.row.look_of if self.draft is None else self.draft.job_id


@dataclass(frozen=True, slots=True)
class Batch:
    """Jobs to store together, and the local files they need."""

    jobs: Sequence[Prepared]
    files: LocalFiles


def prepare(
    rows: Iterable[Row | InvalidInput], settings: Settings, base: Path | None, shared: Offers | None = None
) -> Batch:
    """Check rows; an `InvalidInput` among them is a row that could not be read.

    `base` is the directory that relative paths start from; None: local paths are refused. `shared`: with other calls.

    Raises:
        InvalidInput: no account is configured.
        InvalidRows: some rows break rules, or no configured account can serve them.
    """
    require_accounts(settings)
    files = LocalFiles(base)
    good: list[Prepared] = []
    bad: list[InvalidInput] = []
    with closing(files):
        for item in check_rows(rows, settings, files, shared):
            if isinstance(item, Prepared):
                good.append(item)
            elif len(bad) < MAX_BAD_ROWS:
                bad.append(item)
            else:
                raise InvalidRows(bad, more=True)
    if bad:
        raise InvalidRows(bad)
    return Batch(good, files)


def check_rows(
    rows: Iterable[Row | InvalidInput], settings: Settings, files: LocalFiles, shared: Offers | None = None
) -> Iterator[Prepared | InvalidInput]:
    """Every row as a job or as its `BadRow`; an `InvalidInput` that is none ended the reading, and comes last.
    `shared`: as of `prepare`."""
    shared = shared or Offers()
    for row in _all(rows):
        if isinstance(row, InvalidInput):
            yield row
            continue
        try:
            spec = files.replace(parse_job(row.fields))
            yield as_prepared(spec, settings, row, files.facts, shared)
        except InvalidInput as exc:
            yield row.bad(exc.problems)


def _all(rows: Iterable[Row | InvalidInput]) -> Iterator[Row | InvalidInput]:
    """The rows, then the error that ended reading, if any, so that it is reported with the invalid rows before it."""
    try:
        yield from rows
    except InvalidInput as exc:
        yield exc


def as_prepared(
    spec: JobSpec,
    settings: Settings,
    row: Row | None = None,
    facts: Mapping[str, MediaFacts] | None = None,
    shared: Offers | None = None,
) -> Prepared:
    """Check a job against the configured accounts; `facts`: facts about its files, by reference; `shared`: between the
    rows of one file.

    Raises:
        InvalidInput: none of them can serve it, its `webhook_url` would never be called, or it names a draft that was
            not looked up.
    """
    draft = None if row is None else row.draft
    if spec.draft_of is not None and draft is None:
        raise InvalidInput([Problem("draft_of", "cannot be combined with the fields of its draft")])
    if spec.webhook_url is not None and (problem := job_url_problem(spec.webhook_url, settings)) is not None:
        raise InvalidInput([Problem("webhook_url", problem)])
    request = spec.canonical()
    offer = (shared or Offers()).of(spec, settings, request, facts or {})
    return Prepared(
        Row("", {}) if row is None else row.place(),
        spec,
        spec.idempotency_key,
        request,
        hash_of(request, spec.account),
        offer.gateways,
        offer.estimate,
        offer.prices,
        draft,
    )


def with_derived_keys(jobs: Iterable[Prepared], campaign: str) -> list[Prepared]:
    """Derive idempotency keys for rows without one, so that the same rows again are the same jobs.

    The key covers the campaign and the row's `entity`; without one, the request and how often the same request occurs
    earlier in the file.
    """
    seen: dict[str, int] = {}
    keyed = []
    for job in jobs:
        if job.idempotency_key is None and job.row.entity is not None:
            job = replace(job, idempotency_key=_entity_key(campaign, job.row.entity))
        elif job.idempotency_key is None:
            nth = seen[job.request_hash] = seen.get(job.request_hash, 0) + 1
            job = replace(job, idempotency_key=f"campaign:{campaign}:{job.request_hash[:32]}:{nth}")
        keyed.append(job)
    return keyed


def _entity_key(campaign: str, entity: str) -> str:
    key = f"campaign:{campaign}:row:{entity}"
    if len(key) <= MAX_KEY_CHARS:
        return key
    return f"campaign:{campaign}:row:{hashlib.sha256(entity.encode()).hexdigest()[:32]}"


def as_new_job(job: Prepared, tenant: str, campaign_id: UUID | None, *, kept_back: bool = False) -> NewJob:
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
        ark=job.ark,
        kept_back=kept_back,
        log_fields=job.log_fields,
        traceparent=job.traceparent,
        asked_hash=None if campaign_id is None else job.asked_hash,
        replaceable=campaign_id is not None and job.row.entity is not None and spec.idempotency_key is None,
    )
