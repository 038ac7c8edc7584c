"""The table of kept sums of jobs that ended."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from sqlalchemy import ARRAY, BigInteger, Column, DateTime, Numeric, Text
from sqlmodel import Field, SQLModel

from storage.schema.kept.changes import id_column, indexes, merged_column


class EndedSum(SQLModel, table=True):
    """How much the sums of a tenant's jobs that ended in ten minutes have grown; see `storage.counted.ended`.

    Triggers on `jobs` write rows for each change, in its transaction; the scheduler merges them.
    """

    __tablename__ = "ended_sums"
    __table_args__: ClassVar[Any] = indexes("ended_sums", "tenant", "ended", "labels")

    id: int | None = id_column()
    tenant: str = Field(sa_column=Column(Text, nullable=False))
    # The begin of the ten minutes.
    ended: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    labels: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    jobs: int = Field(sa_column=Column(BigInteger, nullable=False))
    low: Decimal = Field(sa_column=Column(Numeric, nullable=False))
    high: Decimal = Field(sa_column=Column(Numeric, nullable=False))
    amount: Decimal = Field(sa_column=Column(Numeric, nullable=False))
    merged: bool = merged_column()
