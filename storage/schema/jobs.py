"""The tables of jobs, their attempts and their events."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Numeric,
    PrimaryKeyConstraint,
    Sequence,
    SmallInteger,
    Text,
    UniqueConstraint,
    Uuid,
    desc,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from storage.counted.failures import COUNTED, LABELS
from storage.jobs.claims import ROUTE, TRIED, URGENT_AT
from storage.jobs.expiry_alarms import NEXT_ALARM_AT, OPEN_ALARM
from storage.jobs.prices import NO_CAMPAIGN
from storage.jobs.states import TERMINAL, JobState
from storage.schema.tenants import NOW


def _in(column: str, values: list[str]) -> str:
    return f"{column} IN ({', '.join(repr(value) for value in values)})"


_STATES = [state.value for state in JobState]


_TERMINAL = [state.value for state in JobState if state in TERMINAL]


IN_FLIGHT = ("submitting", "unconfirmed", "generating")


_SHARE: tuple[Any, ...] = (
    desc("priority"),
    "tenant",
    text(NO_CAMPAIGN),
    text("coalesce(account_pin, ''::text)"),
    "lane",
    text(ROUTE),
    "due_at",
    "id",
)


# Jobs that occupy a slot of their account, or are about to.
ASSIGNED = "account IS NOT NULL AND due_at IS NOT NULL AND state <> 'transferring'"


class Job(SQLModel, table=True):
    """One requested generation, from enqueue to its terminal state."""

    __tablename__ = "jobs"
    __table_args__: ClassVar[Any] = (
        CheckConstraint(_in("state", _STATES), name="jobs_state_check"),
        CheckConstraint(f"({_in('state', _TERMINAL)}) = (finished_at IS NOT NULL)", name="jobs_finished_at_check"),
        CheckConstraint(f"({_in('state', _TERMINAL)}) = (due_at IS NULL)", name="jobs_due_at_check"),
        CheckConstraint("priority BETWEEN 0 AND 9", name="jobs_priority_check"),
        CheckConstraint("cancel_request IN ('keep', 'discard')", name="jobs_cancel_request_check"),
        CheckConstraint("state <> 'generating' OR gateway_task_id IS NOT NULL", name="jobs_task_id_check"),
        CheckConstraint("state <> 'transferring' OR video_url IS NOT NULL", name="jobs_video_url_check"),
        CheckConstraint(
            "state <> 'succeeded' OR (object_key IS NOT NULL AND sha256 IS NOT NULL AND size_bytes > 0)",
            name="jobs_object_check",
        ),
        CheckConstraint("state <> 'failed' OR error IS NOT NULL", name="jobs_error_check"),
        CheckConstraint("deleted_at IS NULL OR finished_at IS NOT NULL", name="jobs_deleted_at_check"),
        CheckConstraint(
            "draft_of IS NULL OR (account_pin IS NOT NULL AND draft_task_id IS NOT NULL AND draft_model IS NOT NULL"
            " AND draft_ends_at IS NOT NULL)",
            name="jobs_draft_of_check",
        ),
        CheckConstraint(
            f"state NOT IN {IN_FLIGHT} OR (account IS NOT NULL AND attempt > 0)", name="jobs_account_check"
        ),
        UniqueConstraint("tenant", "idempotency_key", name="jobs_tenant_idempotency_key_key"),
        # A share is a campaign of a tenant, divided by pinned account: admission skips from share to share, and within
        # a share over the lanes and routes that an account cannot serve. Jobs that were tried before are found apart.
        Index("jobs_routes_idx", *_SHARE, postgresql_where=text("state = 'queued'")),
        Index("jobs_tried_idx", *_SHARE, postgresql_where=text(f"state = 'queued' AND {TRIED}")),
        # Jobs that fit into the rest of a budget, and jobs that were set aside because they do not.
        Index(
            "jobs_prices_idx",
            "tenant",
            text("coalesce(campaign_id, '00000000-0000-0000-0000-000000000000'::uuid)"),
            "price_currency",
            "least_price",
            postgresql_where=text("state = 'queued' AND coalesce(reason, '') NOT IN ('over_budget', 'no_price')"),
        ),
        Index(
            "jobs_set_aside_idx",
            "tenant",
            text("coalesce(campaign_id, '00000000-0000-0000-0000-000000000000'::uuid)"),
            "price_currency",
            "least_price",
            postgresql_where=text("state = 'queued' AND reason = 'over_budget'"),
        ),
        Index("jobs_kept_back_idx", "campaign_id", postgresql_where=text("state = 'queued' AND reason = 'kept_back'")),
        Index(
            "jobs_due_at_idx",
            "state",
            "due_at",
            postgresql_where=text("state IN ('submitting', 'unconfirmed', 'generating', 'transferring')"),
        ),
        # The source host first: claims alternate between hosts; of each host the URL that expires first comes first.
        Index(
            "jobs_transferring_idx",
            text("split_part(video_url, '/'::text, 3)"),
            "video_expires_at",
            "due_at",
            postgresql_where=text("state = 'transferring'"),
        ),
        # The same, by when a quarter of the URL's life is left; and when the next alarm about a video is due.
        Index(
            "jobs_urgent_idx",
            text("split_part(video_url, '/'::text, 3)"),
            text(URGENT_AT),
            postgresql_where=text("state = 'transferring'"),
        ),
        Index(
            "jobs_alarmed_idx",
            "expiry_alarm",
            postgresql_where=text("state = 'transferring' AND expiry_alarm > 0"),
        ),
        Index("jobs_alarms_idx", text(NEXT_ALARM_AT), postgresql_where=text(OPEN_ALARM)),
        # By due time within a state: due polls of one account, and leases that have not ended. The dead entries of
        # leases that have ended lie before these, and nothing reads them.
        Index("jobs_at_accounts_idx", "account", "state", "due_at", "lane", postgresql_where=text(ASSIGNED)),
        # The youngest doubts, which take a slot.
        Index("jobs_doubts_idx", "updated_at", postgresql_where=text("state = 'unconfirmed'")),
        # Of queued jobs alone: after an outage of the store, very many others are past their deadlines.
        Index(
            "jobs_queued_deadline_idx",
            "deadline_at",
            postgresql_where=text("state = 'queued' AND deadline_at IS NOT NULL"),
        ),
        Index(
            "jobs_cancel_request_idx",
            "state",
            postgresql_where=text("cancel_request IS NOT NULL AND due_at IS NOT NULL"),
        ),
        # Queued finals whose draft can be used no longer, and the finals of a draft.
        Index(
            "jobs_draft_ends_idx",
            "draft_ends_at",
            postgresql_where=text("state = 'queued' AND draft_of IS NOT NULL"),
        ),
        Index(
            "jobs_drafts_idx",
            "draft_ends_at",
            postgresql_where=text("state = 'succeeded' AND draft_of IS NULL AND draft_ends_at IS NOT NULL"),
        ),
        Index("jobs_draft_of_idx", "draft_of", postgresql_where=text("draft_of IS NOT NULL")),
        Index("jobs_barred_idx", "id", postgresql_where=text("state = 'queued' AND barred_accounts <> '{}'::text[]")),
        Index("jobs_removal_idx", "removal_due_at", postgresql_where=text("removal_due_at IS NOT NULL")),
        # Only jobs with tags: most have none and would only make the index larger.
        Index("jobs_tags_idx", "tags", postgresql_using="gin", postgresql_where=text("tags <> '{}'::text[]")),
        # Pages of lists, by state; a list of several states merges them. Counts read only the index.
        Index("jobs_campaign_idx", "campaign_id", "state", "id", postgresql_include=["finished_at"]),
        Index("jobs_state_idx", "tenant", "state", "id"),
        # Deleted jobs: a count by jobs_state_idx subtracts them.
        Index("jobs_deleted_idx", "tenant", "state", "id", postgresql_where=text("deleted_at IS NOT NULL")),
        # Why jobs of a campaign failed: the first and the newest for each reason.
        Index(
            "jobs_failures_idx",
            "campaign_id",
            text(LABELS.replace("r.", "")),
            "id",
            postgresql_where=text(COUNTED.replace("r.", "")),
        ),
        Index(
            "jobs_finished_idx",
            "tenant",
            "finished_at",
            postgresql_include=["state"],
            postgresql_where=text("finished_at IS NOT NULL"),
        ),
    )

    id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    tenant: str = Field(sa_column=Column(Text, nullable=False, server_default="default"))
    campaign_id: UUID | None = Field(default=None, sa_column=Column(Uuid, ForeignKey("campaigns.id")))
    idempotency_key: str | None = Field(default=None, sa_column=Column(Text))
    # The request.
    request: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    request_hash: str = Field(sa_column=Column(Text, nullable=False))
    gateways: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    account_pin: str | None = Field(default=None, sa_column=Column(Text))
    priority: int = Field(default=5, sa_column=Column(SmallInteger, nullable=False, server_default="5"))
    deadline_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    webhook_url: str | None = Field(default=None, sa_column=Column(Text))
    # "metadata" is taken on SQLModel classes.
    job_metadata: dict[str, Any] = Field(
        sa_column=Column("metadata", JSONB, nullable=False, server_default=text("'{}'::jsonb"))
    )
    tags: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False, server_default=text("'{}'::text[]")))
    # Decides which of a gateway's models serves it: tier, mode and resolution; empty if an older release wrote the row.
    lane: str = Field(default="", sa_column=Column(Text, nullable=False, server_default=text("''")))
    # The progress.
    state: str = Field(sa_column=Column(Text, nullable=False, server_default="queued"))
    due_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True), server_default=NOW))
    claim: int = Field(default=0, sa_column=Column(BigInteger, nullable=False, server_default="0"))
    attempt: int = Field(default=0, sa_column=Column(Integer, nullable=False, server_default="0"))
    refusals: int = Field(default=0, sa_column=Column(Integer, nullable=False, server_default="0"))
    setbacks: int = Field(default=0, sa_column=Column(Integer, nullable=False, server_default="0"))
    polls: int = Field(default=0, sa_column=Column(BigInteger, nullable=False, server_default="0"))
    # The last poll that found the task unfinished.
    polled_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    reason: str | None = Field(default=None, sa_column=Column(Text))
    # What the gateway repeatedly reports, with no clear other answer in between: that it has no such task
    # ("task_unknown"), or that the task has finished without a URL ("result_missing"). Since when, and how often.
    missing: str | None = Field(default=None, sa_column=Column(Text))
    missing_since: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    missing_times: int = Field(default=0, sa_column=Column(SmallInteger, nullable=False, server_default="0"))
    # A requested cancellation of a submitted job: "keep": only if that is free at the gateway; "discard": in any case.
    cancel_request: str | None = Field(default=None, sa_column=Column(Text))
    # The share of the video's life, in percent, at which its last alarm was raised.
    expiry_alarm: int = Field(default=0, sa_column=Column(SmallInteger, nullable=False, server_default="0"))
    # Accounts that cannot send its files to their gateway.
    barred_accounts: list[str] = Field(
        default_factory=list, sa_column=Column(ARRAY(Text), nullable=False, server_default=text("'{}'::text[]"))
    )
    # A final: the job of its draft, which retention may have deleted, the draft's task and the gateway's name of its
    # model.
    draft_of: UUID | None = Field(default=None, sa_column=Column(Uuid))
    draft_task_id: str | None = Field(default=None, sa_column=Column(Text))
    draft_model: str | None = Field(default=None, sa_column=Column(Text))
    # Until when the gateway makes a final of the draft: of this job's own, or of the one that it is the final of.
    draft_ends_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    # Where it was submitted.
    account: str | None = Field(default=None, sa_column=Column(Text))
    gateway: str | None = Field(default=None, sa_column=Column(Text))
    model: str | None = Field(default=None, sa_column=Column(Text))
    gateway_task_id: str | None = Field(default=None, sa_column=Column(Text))
    submitted_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    generated_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    # The result.
    video_url: str | None = Field(default=None, sa_column=Column(Text))
    video_expires_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    last_frame_url: str | None = Field(default=None, sa_column=Column(Text))
    usage: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    seed: int | None = Field(default=None, sa_column=Column(BigInteger))
    object_key: str | None = Field(default=None, sa_column=Column(Text))
    size_bytes: int | None = Field(default=None, sa_column=Column(BigInteger))
    sha256: str | None = Field(default=None, sa_column=Column(Text))
    # What the video is: container, codec, pixels, size, seconds, sound, and whether every browser plays it. None: not
    # known, or an older release stored it.
    video_format: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    # Its copy that every browser plays, if there is one.
    playable_key: str | None = Field(default=None, sa_column=Column(Text))
    last_frame_key: str | None = Field(default=None, sa_column=Column(Text))
    poster_key: str | None = Field(default=None, sa_column=Column(Text))
    estimate: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    # The highest possible cost by account and currency; the lowest of these in one currency (0 and empty: unknown).
    prices: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    least_price: Decimal = Field(
        default=Decimal(0), sa_column=Column(Numeric, nullable=False, server_default=text("0"))
    )
    price_currency: str = Field(default="", sa_column=Column(Text, nullable=False, server_default=text("''")))
    cost: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    error: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=NOW))
    updated_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=NOW))
    finished_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    # What only Ark's door knows of it: the model as its caller named it, and what to show or to call. None: it came
    # through another door.
    ark: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    # The trace of the request that enqueued it, as W3C's traceparent.
    traceparent: str | None = Field(default=None, sa_column=Column(Text))
    # When its files were deleted on request; the row stays as a record.
    deleted_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    # When its files are removed again: an upload that began before the job ended may have finished later.
    removal_due_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))


class Attempt(SQLModel, table=True):
    """One POST that may have been charged: committed before the POST, completed after it."""

    __tablename__ = "attempts"
    __table_args__: ClassVar[Any] = (
        CheckConstraint("(outcome IS NULL) = (finished_at IS NULL)", name="attempts_finished_at_check"),
        CheckConstraint(
            "outcome IS DISTINCT FROM 'accepted' OR gateway_task_id IS NOT NULL", name="attempts_task_id_check"
        ),
        Index("attempts_account_started_idx", "account", "started_at"),
        # A task belongs to one attempt of one job.
        Index(
            "attempts_task_key",
            "account",
            "gateway_task_id",
            unique=True,
            postgresql_where=text("gateway_task_id IS NOT NULL"),
        ),
        Index(
            "attempts_callback_idx", "callback_hash", unique=True, postgresql_where=text("callback_hash IS NOT NULL")
        ),
        Index("attempts_look_idx", "look_at", postgresql_where=text("look_at IS NOT NULL")),
        Index("attempts_surplus_idx", "account", postgresql_where=text("surplus")),
    )

    job_id: UUID = Field(sa_column=Column(Uuid, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True))
    number: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    account: str = Field(sa_column=Column(Text, nullable=False))
    # The stored key that it was sent with; None: that of the configuration.
    key_id: int | None = Field(default=None, sa_column=Column(BigInteger))
    # The gateway of the account; None if an older release wrote the row.
    gateway: str | None = Field(default=None, sa_column=Column(Text))
    model: str = Field(sa_column=Column(Text, nullable=False))
    # The model under which its health and limits are kept; empty if an older release wrote the row.
    model_key: str = Field(default="", sa_column=Column(Text, nullable=False, server_default=text("''")))
    started_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=NOW))
    finished_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    outcome: str | None = Field(default=None, sa_column=Column(Text))
    seed: int | None = Field(default=None, sa_column=Column(BigInteger))
    # The value of `execution_expires_after` that was sent; it identifies the attempt's task in a list. See
    # `attempt_marks`.
    mark: int | None = Field(default=None, sa_column=Column(Integer))
    # SHA-256 of the token in the attempt's callback URL, and the task id that a callback or a list named.
    callback_hash: str | None = Field(default=None, sa_column=Column(Text))
    reported_task_id: str | None = Field(default=None, sa_column=Column(Text))
    # When to query the gateway about the reported task; only for attempts that their job no longer waits for.
    look_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    http_status: int | None = Field(default=None, sa_column=Column(SmallInteger))
    gateway_task_id: str | None = Field(default=None, sa_column=Column(Text))
    # It was accepted, but its job uses another attempt's task or had ended: its task may be paid for in vain.
    surplus: bool = Field(default=False, sa_column=Column(Boolean, nullable=False, server_default=text("false")))
    # Tasks that may belong to this attempt, with what matches and differs; None: not looked for, or decided.
    candidates: list[dict[str, Any]] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    error: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))


# Numbers for `attempts.mark`, so that successive attempts differ.
ATTEMPT_MARKS = Sequence("attempt_marks", metadata=SQLModel.metadata)


class JobEvent(SQLModel, table=True):
    """One move of a job, in the transaction that made it.

    Partitioned by the job's id, which begins with its time; see `storage.jobs.events.partitions`.
    """

    __tablename__ = "job_events"
    __table_args__: ClassVar[Any] = (
        PrimaryKeyConstraint("job_id", "id", name="job_events_pkey"),
        Index("job_events_id_idx", "id"),
        {"postgresql_partition_by": "RANGE (job_id)"},
    )

    id: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    job_id: UUID = Field(sa_column=Column(Uuid, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True))
    at: datetime = Field(
        sa_column=Column(DateTime(timezone=True), nullable=False, server_default=text("clock_timestamp()"))
    )
    source: str | None = Field(default=None, sa_column=Column(Text))
    target: str = Field(sa_column=Column(Text, nullable=False))
    reason: str = Field(sa_column=Column(Text, nullable=False))
    detail: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    # Who decided it; NULL: scheduler or worker.
    actor: str | None = Field(default=None, sa_column=Column(Text))
    # The Celery task that wrote it; NULL: none did. Flower shows it under this id.
    celery_task: UUID | None = Field(default=None, sa_column=Column(Uuid))
