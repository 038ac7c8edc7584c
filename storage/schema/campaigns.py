"""The table of campaigns."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Index,
    Integer,
    SmallInteger,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from storage.campaigns.controls import MAX_WEIGHT
from storage.schema.tenants import NOW


class Campaign(SQLModel, table=True):
    """A named set of jobs."""

    __tablename__ = "campaigns"
    __table_args__: ClassVar[Any] = (
        UniqueConstraint("tenant", "name", name="campaigns_tenant_name_key"),
        CheckConstraint("name <> ''", name="campaigns_name_check"),
        CheckConstraint(f"weight BETWEEN 1 AND {MAX_WEIGHT}", name="campaigns_weight_check"),
        CheckConstraint("max_concurrent > 0", name="campaigns_max_concurrent_check"),
        Index("campaigns_unsettled_idx", "id", postgresql_where=text("NOT settled")),
        Index("campaigns_quiet_idx", "quiet_ends_at", postgresql_where=text("quiet_ends_at IS NOT NULL")),
    )

    id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    tenant: str = Field(sa_column=Column(Text, nullable=False, server_default="default"))
    name: str = Field(sa_column=Column(Text, nullable=False))
    # Jobs that it is granted for each job of a campaign of weight 1.
    weight: int = Field(default=1, sa_column=Column(SmallInteger, nullable=False, server_default="1"))
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=NOW))
    # While it is paused, its queued jobs wait; those with a slot continue.
    paused_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    # All its jobs have ended (`settled_jobs` of them) and its webhook messages are written. An enqueue clears it.
    settled: bool = Field(default=False, sa_column=Column(Boolean, nullable=False, server_default=text("false")))
    settled_jobs: int = Field(default=0, sa_column=Column(Integer, nullable=False, server_default="0"))
    # How its sheet was read last: `map` from columns to names, and the `key` column.
    reading: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    # Its rows are made as proofs first; finals only of what is approved.
    proof: bool = Field(default=False, sa_column=Column(Boolean, nullable=False, server_default=text("false")))
    # Nothing is submitted before; None: it begins at once.
    start_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    # Nothing is submitted in these hours ("22:00-07:00") of this time zone. The instants are those of the present or
    # next time; the scheduler renews them.
    quiet_hours: str | None = Field(default=None, sa_column=Column(Text))
    quiet_zone: str | None = Field(default=None, sa_column=Column(Text))
    quiet_begins_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    quiet_ends_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    # Drafts that wait for a decision and end before this were announced.
    drafts_announced_until: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    # How many of its jobs are at gateways at once, at most; None: no limit.
    max_concurrent: int | None = Field(default=None, sa_column=Column(Integer))
