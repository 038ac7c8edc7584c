"""The table of kept counts of rows."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, Column, Identity, Index, Text, Uuid, text
from sqlmodel import Field, SQLModel


class RowCount(SQLModel, table=True):
    """How much the rows of a campaign have changed; see `storage.counted.rows`.

    Triggers on `campaign_rows` write rows for each change, in its transaction; the scheduler merges them.
    """

    __tablename__ = "row_counts"
    __table_args__: ClassVar[Any] = (
        Index("row_counts_group_idx", "campaign_id", "review"),
        Index("row_counts_unmerged_idx", "id", postgresql_where=text("NOT merged")),
    )

    id: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    campaign_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    review: str = Field(sa_column=Column(Text, nullable=False))
    rows: int = Field(sa_column=Column(BigInteger, nullable=False))
    versions: int = Field(sa_column=Column(BigInteger, nullable=False))
    merged: bool = Field(default=False, sa_column=Column(Boolean, nullable=False, server_default=text("false")))
