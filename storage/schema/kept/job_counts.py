"""The table of kept counts of jobs."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, Column, Identity, Index, Text, Uuid, text
from sqlmodel import Field, SQLModel


class JobCount(SQLModel, table=True):
    """How many more jobs are in a state (fewer: a negative number). The sum of its rows is the number of its jobs.

    Triggers on `jobs` write a row for each change, in its transaction; the scheduler merges them.
    """

    __tablename__ = "job_counts"
    __table_args__: ClassVar[Any] = (
        Index("job_counts_group_idx", "tenant", "campaign_id", "state", "reason"),
        Index("job_counts_unmerged_idx", "id", postgresql_where=text("NOT merged")),
    )

    id: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    tenant: str = Field(sa_column=Column(Text, nullable=False))
    # All zeros: no campaign.
    campaign_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    state: str = Field(sa_column=Column(Text, nullable=False))
    # Of jobs that have not ended; else empty.
    reason: str = Field(sa_column=Column(Text, nullable=False))
    jobs: int = Field(sa_column=Column(BigInteger, nullable=False))
    merged: bool = Field(default=False, sa_column=Column(Boolean, nullable=False, server_default=text("false")))
