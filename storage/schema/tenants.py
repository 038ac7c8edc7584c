"""The tables of tenants: their keys, their share of the slots, and what they may spend."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    Numeric,
    SmallInteger,
    Text,
    Uuid,
    text,
)
from sqlmodel import Field, SQLModel

from storage.campaigns.controls import MAX_WEIGHT

NOW = text("now()")


class Tenant(SQLModel, table=True):
    """Somebody whose jobs nobody else sees. A tenant without a row has the defaults."""

    __tablename__ = "tenants"
    __table_args__: ClassVar[Any] = (
        CheckConstraint("name <> ''", name="tenants_name_check"),
        CheckConstraint(f"weight BETWEEN 1 AND {MAX_WEIGHT}", name="tenants_weight_check"),
        CheckConstraint("jobs_per_minute > 0", name="tenants_jobs_per_minute_check"),
    )

    name: str = Field(sa_column=Column(Text, primary_key=True))
    # Jobs it gets in a turn, where another tenant of weight 1 gets one.
    weight: int = Field(default=1, sa_column=Column(SmallInteger, nullable=False, server_default="1"))
    # How many it may enqueue; NULL: as many as it likes.
    jobs_per_minute: int | None = Field(default=None, sa_column=Column(Integer))
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=NOW))


class ApiKey(SQLModel, table=True):
    """A key of the API. Only its hash is kept; the id is part of the key itself."""

    __tablename__ = "api_keys"
    __table_args__: ClassVar[Any] = (
        CheckConstraint(
            "scopes <@ ARRAY['enqueue', 'read', 'admin', 'metrics'] AND cardinality(scopes) > 0",
            name="api_keys_scopes_check",
        ),
        Index("api_keys_tenant_idx", "tenant"),
    )

    id: str = Field(sa_column=Column(Text, primary_key=True))
    tenant: str = Field(sa_column=Column(Text, ForeignKey("tenants.name"), nullable=False))
    name: str = Field(sa_column=Column(Text, nullable=False))
    secret_hash: str = Field(sa_column=Column(Text, nullable=False))
    scopes: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=NOW))
    last_used_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    revoked_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))


class Budget(SQLModel, table=True):
    """What a tenant (`campaign_id` all zeros) or one of its campaigns may spend. The scheduler keeps the sums."""

    __tablename__ = "budgets"
    __table_args__: ClassVar[Any] = (CheckConstraint("amount >= 0", name="budgets_amount_check"),)

    tenant: str = Field(sa_column=Column(Text, primary_key=True))
    campaign_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    amount: Decimal = Field(sa_column=Column(Numeric, nullable=False))
    currency: str = Field(sa_column=Column(Text, nullable=False))
    # By jobs that have ended, and by jobs that are at a gateway or on their way there.
    spent: Decimal = Field(sa_column=Column(Numeric, nullable=False, server_default=text("0")))
    reserved: Decimal = Field(sa_column=Column(Numeric, nullable=False, server_default=text("0")))
    # Only of a tenant's own: nothing that waits fits, and it is looked at again then. NULL: something may fit.
    held_until: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=NOW))


class Reservation(SQLModel, table=True):
    """What an attempt may cost, as long as it counts as reserved in a budget: from the claim that it is made for, until
    it is known what it did cost."""

    __tablename__ = "reservations"

    job_id: UUID = Field(sa_column=Column(Uuid, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True))
    attempt: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    tenant: str = Field(sa_column=Column(Text, nullable=False))
    campaign_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    currency: str = Field(sa_column=Column(Text, nullable=False))
    amount: Decimal = Field(sa_column=Column(Numeric, nullable=False))
