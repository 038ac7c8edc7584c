"""The table of kept counts of failures."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Column, Text, Uuid
from sqlmodel import Field, SQLModel

from storage.schema.kept.changes import id_column, indexes, merged_column


class FailureCount(SQLModel, table=True):
    """How many more jobs of a campaign failed for a reason; see `storage.counted.failures`.

    Triggers on `jobs` write rows for each change, in its transaction; the scheduler merges them.
    """

    __tablename__ = "failure_counts"
    __table_args__: ClassVar[Any] = indexes("failure_counts", "campaign_id", "labels")

    id: int | None = id_column()
    campaign_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    labels: list[str | None] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    jobs: int = Field(sa_column=Column(BigInteger, nullable=False))
    merged: bool = merged_column()
