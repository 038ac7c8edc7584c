"""The table of kept counts of jobs."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, Column, Text, Uuid
from sqlmodel import Field, SQLModel

from storage.schema.kept.changes import id_column, indexes, merged_column


class JobCount(SQLModel, table=True):
    """How many more jobs are in a state (fewer: a negative number). The sum of its rows is the number of its jobs.

    Triggers on `jobs` write a row for each change, in its transaction; the scheduler merges them.
    """

    __tablename__ = "job_counts"
    __table_args__: ClassVar[Any] = indexes("job_counts", "tenant", "campaign_id", "state", "reason")

    id: int | None = id_column()
    tenant: str = Field(sa_column=Column(Text, nullable=False))
    # All zeros: no campaign.
    campaign_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    state: str = Field(sa_column=Column(Text, nullable=False))
    # Of jobs that have not ended; else empty.
    reason: str = Field(sa_column=Column(Text, nullable=False))
    jobs: int = Field(sa_column=Column(BigInteger, nullable=False))
    merged: bool = merged_column()
