"""The table of kept sums of jobs that ended."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from sqlalchemy import ARRAY, BigInteger, Boolean, Column, DateTime, Identity, Index, Numeric, Text, text
from sqlmodel import Field, SQLModel


class EndedSum(SQLModel, table=True):
    """How much the sums of a tenant's jobs that ended in ten minutes have grown; see `storage.counted.ended`.

    Triggers on `jobs` write rows for each change, in its transaction; the scheduler merges them.
    """

    __tablename__ = "ended_sums"
    __table_args__: ClassVar[Any] = (
        Index("ended_sums_group_idx", "tenant", "ended", "labels"),
        Index("ended_sums_unmerged_idx", "id", postgresql_where=text("NOT merged")),
    )

    id: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    tenant: str = Field(sa_column=Column(Text, nullable=False))
    # The begin of the ten minutes.
    ended: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    labels: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    jobs: int = Field(sa_column=Column(BigInteger, nullable=False))
    low: Decimal = Field(sa_column=Column(Numeric, nullable=False))
    high: Decimal = Field(sa_column=Column(Numeric, nullable=False))
    amount: Decimal = Field(sa_column=Column(Numeric, nullable=False))
    merged: bool = Field(default=False, sa_column=Column(Boolean, nullable=False, server_default=text("false")))
