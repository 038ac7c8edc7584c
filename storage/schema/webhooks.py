"""The tables of webhooks: endpoints of tenants, and messages to deliver."""

from __future__ import annotations

from datetime import datetime
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
    Index,
    SmallInteger,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from storage.schema.tenants import NOW


class WebhookEndpoint(SQLModel, table=True):
    """A URL of a tenant that receives every event of some kinds."""

    __tablename__ = "webhook_endpoints"
    __table_args__: ClassVar[Any] = (
        UniqueConstraint("tenant", "url", name="webhook_endpoints_tenant_url_key"),
        CheckConstraint(
            "(previous_secret IS NULL) = (previous_until IS NULL)", name="webhook_endpoints_previous_check"
        ),
    )

    id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    tenant: str = Field(sa_column=Column(Text, nullable=False))
    url: str = Field(sa_column=Column(Text, nullable=False))
    # Empty: every kind.
    events: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False, server_default=text("'{}'::text[]")))
    # It signs messages, so it cannot be stored as a hash.
    secret: str = Field(sa_column=Column(Text, nullable=False))
    previous_secret: str | None = Field(default=None, sa_column=Column(Text))
    previous_until: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    disabled_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    disabled_reason: str | None = Field(default=None, sa_column=Column(Text))
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=NOW))


class WebhookMessage(SQLModel, table=True):
    """One event for one receiver, written in the transaction of the event; `due_at` is the time of the next delivery.

    The id is derived from the event and the receiver, so the same message never has two ids.
    """

    __tablename__ = "webhook_messages"
    __table_args__: ClassVar[Any] = (
        CheckConstraint("(endpoint_id IS NULL) <> (url IS NULL)", name="webhook_messages_receiver_check"),
        CheckConstraint("delivered_at IS NULL OR dead_at IS NULL", name="webhook_messages_end_check"),
        CheckConstraint(
            "(due_at IS NULL) = (delivered_at IS NOT NULL OR dead_at IS NOT NULL)", name="webhook_messages_due_check"
        ),
        CheckConstraint("NOT leased OR due_at IS NOT NULL", name="webhook_messages_lease_check"),
        # The claim skips from receiver to receiver.
        Index("webhook_messages_due_idx", "tenant", "target", "due_at", postgresql_where=text("due_at IS NOT NULL")),
        # Which are due, and which ended long ago.
        Index("webhook_messages_pending_idx", "due_at", postgresql_where=text("due_at IS NOT NULL")),
        # The oldest that waits.
        Index("webhook_messages_waiting_idx", "created_at", postgresql_where=text("due_at IS NOT NULL")),
        Index("webhook_messages_delivered_idx", "delivered_at", postgresql_where=text("delivered_at IS NOT NULL")),
        Index("webhook_messages_dead_idx", "dead_at", postgresql_where=text("dead_at IS NOT NULL")),
        Index("webhook_messages_leased_idx", "tenant", "target", postgresql_where=text("leased")),
        Index("webhook_messages_created_idx", "tenant", "created_at", "id"),
        Index("webhook_messages_job_idx", "job_id", postgresql_where=text("job_id IS NOT NULL")),
    )

    id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    tenant: str = Field(sa_column=Column(Text, nullable=False))
    type: str = Field(sa_column=Column(Text, nullable=False))
    job_id: UUID | None = Field(default=None, sa_column=Column(Uuid, ForeignKey("jobs.id", ondelete="CASCADE")))
    # No foreign key: removing an endpoint must not fail the moves that are writing messages to it.
    endpoint_id: UUID | None = Field(default=None, sa_column=Column(Uuid))
    url: str | None = Field(default=None, sa_column=Column(Text))
    # Messages with the same target are delayed together if it does not answer: the endpoint, or the host of the URL.
    target: str = Field(sa_column=Column(Text, nullable=False))
    # The content of the event, if the job's row no longer has it.
    data: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    due_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True), server_default=NOW))
    claim: int = Field(default=0, sa_column=Column(BigInteger, nullable=False, server_default="0"))
    # A worker is sending it, until due_at.
    leased: bool = Field(default=False, sa_column=Column(Boolean, nullable=False, server_default=text("false")))
    attempts: int = Field(default=0, sa_column=Column(SmallInteger, nullable=False, server_default="0"))
    replays: int = Field(default=0, sa_column=Column(SmallInteger, nullable=False, server_default="0"))
    first_attempt_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    last_attempt_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    last_status: int | None = Field(default=None, sa_column=Column(SmallInteger))
    last_error: str | None = Field(default=None, sa_column=Column(Text))
    # The beginning of the answer's body, unless the receiver accepted the message.
    last_answer: str | None = Field(default=None, sa_column=Column(Text))
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=NOW))
    delivered_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    dead_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))


class WebhookReceiver(SQLModel, table=True):
    """A receiver that did not answer lately; the row goes when it answers."""

    __tablename__ = "webhook_receivers"

    tenant: str = Field(sa_column=Column(Text, primary_key=True))
    # As in its messages.
    target: str = Field(sa_column=Column(Text, primary_key=True))
    # Batches in a row without any answer.
    failures: int = Field(sa_column=Column(SmallInteger, nullable=False))
    # It is sent nothing before then; NULL: it may be.
    open_until: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    updated_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=NOW))
