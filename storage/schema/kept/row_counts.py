"""The table of kept counts of rows."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, Column, Text, Uuid
from sqlmodel import Field, SQLModel

from storage.schema.kept.changes import id_column, indexes, merged_column


class RowCount(SQLModel, table=True):
    """How much the rows of a campaign have changed; see `storage.counted.rows`.

    Triggers on `campaign_rows` write rows for each change, in its transaction; the scheduler merges them.
    """

    __tablename__ = "row_counts"
    __table_args__: ClassVar[Any] = indexes("row_counts", "campaign_id", "review")

    id: int | None = id_column()
    campaign_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    review: str = Field(sa_column=Column(Text, nullable=False))
    rows: int = Field(sa_column=Column(BigInteger, nullable=False))
    versions: int = Field(sa_column=Column(BigInteger, nullable=False))
    merged: bool = merged_column()
