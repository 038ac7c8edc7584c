"""The table of kept counts of slots that are in use."""

from __future__ import annotations

from typing import Any, ClassVar

from sqlalchemy import BigInteger, Column, Text
from sqlmodel import Field, SQLModel

from storage.schema.kept.changes import id_column, indexes, merged_column


class SlotCount(SQLModel, table=True):
    """How many more jobs of an account and lane are generating; see `storage.counted.slots`.

    Triggers on `jobs` write a row for each change, in its transaction; the scheduler merges them.
    """

    __tablename__ = "slot_counts"
    __table_args__: ClassVar[Any] = indexes("slot_counts", "account", "lane")

    id: int | None = id_column()
    account: str = Field(sa_column=Column(Text, nullable=False))
    lane: str = Field(sa_column=Column(Text, nullable=False))
    jobs: int = Field(sa_column=Column(BigInteger, nullable=False))
    merged: bool = merged_column()
