"""The table of kept counts of slots that are in use."""

from __future__ import annotations

from typing import Any, ClassVar

from sqlalchemy import BigInteger, Boolean, Column, Identity, Index, Text, text
from sqlmodel import Field, SQLModel


class SlotCount(SQLModel, table=True):
    """How many more jobs of an account and lane are generating; see `storage.counted.slots`.

    Triggers on `jobs` write a row for each change, in its transaction; the scheduler merges them.
    """

    __tablename__ = "slot_counts"
    __table_args__: ClassVar[Any] = (
        Index("slot_counts_group_idx", "account", "lane"),
        Index("slot_counts_unmerged_idx", "id", postgresql_where=text("NOT merged")),
    )

    id: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    account: str = Field(sa_column=Column(Text, nullable=False))
    lane: str = Field(sa_column=Column(Text, nullable=False))
    jobs: int = Field(sa_column=Column(BigInteger, nullable=False))
    merged: bool = Field(default=False, sa_column=Column(Boolean, nullable=False, server_default=text("false")))
