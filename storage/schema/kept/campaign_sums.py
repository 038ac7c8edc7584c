"""The table of kept sums of campaigns."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Boolean, Column, Identity, Index, Numeric, Text, Uuid, text
from sqlmodel import Field, SQLModel


class CampaignSum(SQLModel, table=True):
    """How much a sum over the jobs of a campaign has grown; see `storage.counted.campaigns`.

    Triggers on `jobs` write rows for each change, in its transaction; the scheduler merges them.
    """

    __tablename__ = "campaign_sums"
    __table_args__: ClassVar[Any] = (
        Index("campaign_sums_group_idx", "campaign_id", "kind", "labels"),
        Index("campaign_sums_unmerged_idx", "id", postgresql_where=text("NOT merged")),
    )

    id: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    campaign_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    kind: str = Field(sa_column=Column(Text, nullable=False))
    labels: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    jobs: int = Field(sa_column=Column(BigInteger, nullable=False))
    low: Decimal = Field(sa_column=Column(Numeric, nullable=False))
    high: Decimal = Field(sa_column=Column(Numeric, nullable=False))
    amount: Decimal = Field(sa_column=Column(Numeric, nullable=False))
    merged: bool = Field(default=False, sa_column=Column(Boolean, nullable=False, server_default=text("false")))
