"""The table of kept sums of campaigns."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Column, Numeric, Text, Uuid
from sqlmodel import Field, SQLModel

from storage.schema.kept.changes import id_column, indexes, merged_column


class CampaignSum(SQLModel, table=True):
    """How much a sum over the jobs of a campaign has grown; see `storage.counted.campaigns`.

    Triggers on `jobs` write rows for each change, in its transaction; the scheduler merges them.
    """

    __tablename__ = "campaign_sums"
    __table_args__: ClassVar[Any] = indexes("campaign_sums", "campaign_id", "kind", "labels")

    id: int | None = id_column()
    campaign_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    kind: str = Field(sa_column=Column(Text, nullable=False))
    labels: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    jobs: int = Field(sa_column=Column(BigInteger, nullable=False))
    low: Decimal = Field(sa_column=Column(Numeric, nullable=False))
    high: Decimal = Field(sa_column=Column(Numeric, nullable=False))
    amount: Decimal = Field(sa_column=Column(Numeric, nullable=False))
    merged: bool = merged_column()
