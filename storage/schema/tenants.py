"""The tables of tenants: their keys, shares of the slots, and budgets."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    Boolean,
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
    """A tenant, whose jobs no other tenant sees. A tenant without a row has the defaults."""

    __tablename__ = "tenants"
    __table_args__: ClassVar[Any] = (
        CheckConstraint("name <> ''", name="tenants_name_check"),
        CheckConstraint(f"weight BETWEEN 1 AND {MAX_WEIGHT}", name="tenants_weight_check"),
        CheckConstraint("jobs_per_minute > 0", name="tenants_jobs_per_minute_check"),
    )

    name: str = Field(sa_column=Column(Text, primary_key=True))
    # Jobs that it is granted for each job of a tenant of weight 1.
    weight: int = Field(default=1, sa_column=Column(SmallInteger, nullable=False, server_default="1"))
    # How many jobs it may enqueue per minute; NULL: no limit.
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
    # From then on it is refused; NULL: never.
    expires_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    # The id of the key that was made in its place.
    replaced_by: str | None = Field(default=None, sa_column=Column(Text))
    # What it may spend; NULL: no limit of its own.
    purse_id: UUID | None = Field(default=None, sa_column=Column(Uuid, ForeignKey("purses.id")))


class Purse(SQLModel, table=True):
    """The amount that a key, and those that replace it, may spend."""

    __tablename__ = "purses"
    __table_args__: ClassVar[Any] = (CheckConstraint("amount >= 0", name="purses_amount_check"),)

    id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    amount: Decimal = Field(sa_column=Column(Numeric, nullable=False))
    currency: str = Field(sa_column=Column(Text, nullable=False))
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=NOW))


class PurseCharge(SQLModel, table=True):
    """What a job takes from a purse: the most that it may cost, and once it has ended what it did cost."""

    __tablename__ = "purse_charges"
    __table_args__: ClassVar[Any] = (
        Index("purse_charges_open_idx", "purse_id", postgresql_where=text("NOT settled")),
        Index("purse_charges_purse_idx", "purse_id", postgresql_include=["amount"]),
    )

    # No foreign key: a charge outlives its job.
    job_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    purse_id: UUID = Field(sa_column=Column(Uuid, ForeignKey("purses.id", ondelete="CASCADE"), nullable=False))
    amount: Decimal = Field(sa_column=Column(Numeric, nullable=False))
    settled: bool = Field(default=False, sa_column=Column(Boolean, nullable=False, server_default=text("false")))


class PageSession(SQLModel, table=True):
    """A browser that signed in with a key. Only the hash of its id is kept. Log-out deletes the row."""

    __tablename__ = "page_sessions"
    __table_args__: ClassVar[Any] = (
        CheckConstraint("num_nonnulls(key_id, configured_hash) = 1", name="page_sessions_key_check"),
        Index("page_sessions_key_idx", "key_id"),
        Index("page_sessions_expires_idx", "expires_at"),
    )

    id_hash: str = Field(sa_column=Column(Text, primary_key=True))
    key_id: str | None = Field(default=None, sa_column=Column(Text, ForeignKey("api_keys.id", ondelete="CASCADE")))
    # The hash of the operator's own key, which is not in the database.
    configured_hash: str | None = Field(default=None, sa_column=Column(Text))
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=NOW))
    expires_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))


class Budget(SQLModel, table=True):
    """The budget of a tenant (`campaign_id` all zeros) or of one of its campaigns. The scheduler keeps the sums."""

    __tablename__ = "budgets"
    __table_args__: ClassVar[Any] = (CheckConstraint("amount >= 0", name="budgets_amount_check"),)

    tenant: str = Field(sa_column=Column(Text, primary_key=True))
    campaign_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    amount: Decimal = Field(sa_column=Column(Numeric, nullable=False))
    currency: str = Field(sa_column=Column(Text, nullable=False))
    # The cost of ended jobs, and the possible cost of jobs that are at a gateway or on their way there.
    spent: Decimal = Field(sa_column=Column(Numeric, nullable=False, server_default=text("0")))
    reserved: Decimal = Field(sa_column=Column(Numeric, nullable=False, server_default=text("0")))
    # Only for a tenant as a whole: no waiting job fits; check again then. NULL: some job may fit.
    held_until: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=NOW))


class Reservation(SQLModel, table=True):
    """The possible cost of an attempt while it is reserved in a budget: from the claim until the actual cost is
    known."""

    __tablename__ = "reservations"

    job_id: UUID = Field(sa_column=Column(Uuid, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True))
    attempt: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    tenant: str = Field(sa_column=Column(Text, nullable=False))
    campaign_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    currency: str = Field(sa_column=Column(Text, nullable=False))
    amount: Decimal = Field(sa_column=Column(Numeric, nullable=False))
