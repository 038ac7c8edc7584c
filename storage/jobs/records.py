"""Plain values that go into and come out of the job SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any
from uuid import UUID

from seedance.expiry_marks import MarkBand
from seedance.lanes import lane_of
from storage.actors import current_actor
from storage.jobs.reasons import Reason
from storage.jobs.states import TERMINAL, JobState, check_transition
from storage.logs.context import current_celery_task, fields_now
from storage.logs.story import Story, story
from storage.tenants.tenants import DEFAULT_TENANT
from storage.tracing.context import current_traceparent

DEFAULT_PRIORITY = 5
MOST_POLLS = 2**62
"""Another program may have stored the largest number of polls: it is counted from this one on."""


@dataclass(frozen=True, slots=True)
class FinalOf:
    """The draft of a final: its job, its task at the gateway, the gateway's name of its model, and until when the
    gateway makes a final of it."""

    job_id: UUID
    task_id: str
    model: str
    ends_at: datetime


# Not frozen, as `Row` and `Prepared` of `producer.intake`: one is made for each job of a batch, and freezing takes as
# long as the rest of its making, 2 µs.
@dataclass(slots=True)
class NewJob:
    """A job to store. `request` is canonical JSON; `gateways` are those whose dialects can serve it.

    The deadline is an instant (`deadline_at`) or seconds from now by the database's clock (`deadline_s`), or neither.
    """

    id: UUID
    request: Mapping[str, Any]
    request_hash: str
    gateways: Sequence[str]
    tenant: str = DEFAULT_TENANT
    campaign_id: UUID | None = None
    idempotency_key: str | None = None
    account_pin: str | None = None
    priority: int = DEFAULT_PRIORITY
    deadline_at: datetime | None = None
    deadline_s: float | None = None
    webhook_url: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    tags: Sequence[str] = ()
    actor: str | None = field(default_factory=current_actor)
    """Who enqueues it; see `storage.actors`."""
    estimate: Mapping[str, Any] | None = None
    """The estimated cost at the first account in order that can serve it; None: no price is known."""
    prices: Mapping[str, Mapping[str, float]] | None = None
    """The highest possible cost, by account that can serve it and by currency; empty for an account without a known
    price. None: only the estimate is known, for every account."""
    draft: FinalOf | None = None
    """The draft that it is the final of."""
    kept_back: bool = False
    """Not submitted before its campaign is resumed."""
    detail: Mapping[str, Any] | None = None
    """The data of its first event; None: there is none."""
    replaceable: bool = False
    """Its key names a row of a campaign: the earlier job with another request may be changed; see
    `producer.campaigns.storing`."""
    asked_hash: str | None = None
    """The hash of what the sheet of its campaign asks for; None: it comes from no sheet."""
    ark: Mapping[str, Any] | None = None
    """What only Ark's door knows of it; see `storage.reporting.ark_tasks`. None: it came through another door."""
    traceparent: str | None = field(default_factory=current_traceparent)
    """The trace of the request that enqueues it; see `storage.tracing`."""
    log_fields: Mapping[str, Any] = field(default_factory=fields_now)
    """Of the request that enqueues it, for the log: it may be stored together with others' jobs."""
    lane: str = field(init=False)
    """Decides which of a gateway's models serves it; see `seedance.lanes`."""
    least_price: float = field(init=False)
    """The lowest of `prices` in `price_currency`, which is that of the estimate; 0 and empty: none is known."""
    price_currency: str = field(init=False)

    def __post_init__(self) -> None:
        self.lane = lane_of(self.request)
        self.price_currency, self.least_price = _least_price(self.prices) if self.prices else ("", 0.0)


def _least_price(prices: Mapping[str, Mapping[str, float]]) -> tuple[str, float]:
    """The currency, and the lowest price in it."""
    known = [of for of in prices.values() if of]
    currency = next(iter(known[0])) if known else ""
    return currency, min((of[currency] for of in known if currency in of), default=0.0)


@dataclass(frozen=True, slots=True)
class Enqueued:
    """The row of a `NewJob`: its own (`created`), or that of the earlier job with the same key."""

    id: UUID
    created: bool
    differs: tuple[str, ...] = ()
    """Fields in which the earlier job differs. Its own values stay."""
    edit: str | None = None
    """What became of a row of a campaign that asks for something else than before: `replaced` (it still waited),
    `again` (it had failed and cost nothing; `id` is its first job), `paid_for` (it stays as it is); None: it is no such
    row."""


class IdempotencyConflict(Exception):
    """An idempotency key belongs to a job with a different request. `index` is the position in the batch."""

    def __init__(self, key: str, index: int, job_id: UUID | None) -> None:
        self.key = key
        self.index = index
        self.job_id = job_id
        holder = f"job {job_id}" if job_id is not None else "an earlier job of the same batch"
        super().__init__(f"idempotency_key {key!r} belongs to {holder}, which asks for something else")


def request_of(stored: Any) -> dict[str, Any]:
    """The request of a row. Another program may have stored JSON that is no object, such as an object as text: it is
    read as empty, which breaks the rules of requests, so its job fails by itself and stops no other."""
    return stored if isinstance(stored, dict) else {}


@dataclass(slots=True)
class Work:
    """The data that a worker needs of a job it holds. Ages are in seconds by the database's clock.

    Only a copy is changed, before anything else has it. It is not frozen, as each poll needs one as of now: of a frozen
    one, a copy takes four times as long.
    """

    id: UUID
    claim: int
    state: JobState
    attempt: int
    refusals: int
    setbacks: int
    polls: int
    reason: str | None
    account: str
    request: dict[str, Any]
    gateway_task_id: str | None
    video_url: str | None
    last_frame_url: str | None
    created_at: datetime
    submitted_age_s: float | None
    generated_age_s: float | None
    deadline_in_s: float | None
    expires_in_s: float | None
    cancel_request: str | None
    gateways: Sequence[str] = ()
    """Those whose dialects can serve it."""
    account_pin: str | None = None
    barred_accounts: Sequence[str] = ()
    """Accounts that cannot send its files to their gateway."""
    unfinished_age_s: float | None = None
    """Seconds since the last poll that found the task unfinished; None: no poll did."""
    missing: str | None = None
    """What its gateway repeatedly reports as missing: `task_unknown` or `result_missing`; None: nothing."""
    missing_times: int = 0
    missing_for_s: float = 0.0
    """Seconds since the first of those reports."""
    draft_task_id: str | None = None
    """Of a final: its draft's task, and the gateway's name of the draft's model."""
    draft_model: str | None = None
    draft_ends_in_s: float | None = None
    """Until the gateway makes no final of the draft any more; None: it is neither a draft that ended nor a final."""
    tenant: str = DEFAULT_TENANT
    campaign: str | None = None
    """The name of its campaign."""
    key_id: int | None = None
    """The stored key that its task was submitted with; None: the task has none, or it was the configuration's."""
    accounts_version: int | None = None
    """The version of the accounts when its account changed last; None: it never did."""
    read_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    """When this was read, by the database's clock."""
    lease_left_s: float = 0.0
    """What is left of its lease."""
    traceparent: str | None = None
    """The trace that it belongs to; None: none."""

    @property
    def story(self) -> Story:
        """Its fields in a log."""
        return story(self.id, self.tenant, self.campaign, self.account, self.gateway_task_id, self.attempt)

    def copy(self) -> Work:
        """The same in a new object, whose fields may then be set."""
        return Work(*_VALUES(self))


_VALUES = attrgetter(*(field.name for field in fields(Work)))


@dataclass(frozen=True, slots=True)
class Move:
    """One change of a job's state, written only if the row is unchanged since it was read.

    `sources` are the states to move from; `claim` and `attempt`, if given, must equal the row's. `due_in_s` counts from
    now (ignored for a terminal target); `expires_in_s` sets the video's expiry from now. `patch` holds columns to set,
    `detail` the data of the event, `actor` who decided it (None: the system). A move to the current state writes no
    event unless it has a `detail`.
    """

    id: UUID
    sources: tuple[JobState, ...]
    target: JobState
    reason: Reason
    claim: int | None = None
    attempt: int | None = None
    due_in_s: float = 0.0
    expires_in_s: float | None = None
    patch: Mapping[str, Any] = field(default_factory=dict)
    detail: Mapping[str, Any] | None = None
    actor: str | None = field(default_factory=current_actor)
    celery_task: UUID | None = field(default_factory=current_celery_task)
    """The Celery task that does it; None: none does."""

    def __post_init__(self) -> None:
        for source in self.sources:
            if source is not self.target:
                check_transition(source, self.target)
        if self.target in TERMINAL and self.target in self.sources:
            check_transition(self.target, self.target)

    def as_row(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "sources": self.sources,
            "target": self.target,
            "reason": self.reason,
            "claim": self.claim,
            "attempt": self.attempt,
            "due_in": None if self.target in TERMINAL else self.due_in_s,
            "expires_in": self.expires_in_s,
            "patch": self.patch,
            "detail": self.detail,
            "actor": self.actor,
            "celery_task": self.celery_task,
        }


@dataclass(frozen=True, slots=True)
class Postponement:
    """A job that becomes due later, in the same state; `polls` is the number of polls made.

    `missing` is what its gateway has just reported as missing; "": it clearly reported something else; None: it
    reported neither. `polled_at`: when its task was last found unfinished, by the database's clock, if that was before
    now and is not written yet.
    """

    id: UUID
    claim: int
    due_in_s: float
    reason: Reason
    setbacks: int = 0
    polls: int = 0
    missing: str | None = None
    polled_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Moved:
    """A move that was written; `claim` is the row's new number, which invalidates all earlier leases."""

    id: UUID
    source: JobState
    target: JobState
    claim: int
    attempt: int
    reason: str


@dataclass(frozen=True, slots=True)
class Correlation:
    """How to recognize an attempt at the gateway later: its seed, a mark, and the hash of its callback token."""

    seed: int | None = None
    callback_hash: str | None = None
    model_key: str = ""
    """The model under which its health and limits are kept; see `seedance.lanes`."""
    key_id: int | None = None
    """The stored key that it is sent with; None: the configuration's."""
    marks: MarkBand | None = None
    """The values that its mark is taken from; None: it cannot carry a mark; see `seedance.expiry_marks`."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A stored attempt: the POST may be made, with this mark."""

    id: UUID
    claim: int
    attempt: int
    mark: int | None


@dataclass(frozen=True, slots=True)
class AttemptOutcome:
    """The outcome of one POST. `outcome` is `accepted`, `not_submitted` or the code of an error."""

    job_id: UUID
    number: int
    outcome: str
    http_status: int | None = None
    gateway_task_id: str | None = None
    error: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class JobView:
    """A job as shown to people and programs; every field is a column of `jobs`, except `campaign`, the campaign's name,
    and `finals`, the jobs that are finals of this draft.

    `draft_ends_at`: until when a final can be made of this draft; of a final, of its draft. `draft_task_id`: of a
    final, its draft's task.
    """

    id: UUID
    state: JobState
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
    error: dict[str, Any] | None
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

    @property
    def terminal(self) -> bool:
        return self.state in TERMINAL
