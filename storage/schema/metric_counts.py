"""The table of kept counters and histograms."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar

from sqlalchemy import ARRAY, BigInteger, Boolean, Column, Identity, Index, Numeric, Text, text
from sqlmodel import Field, SQLModel


class MetricCount(SQLModel, table=True):
    """How much a part of a metric has grown. The sum of its rows is its value.

    Written in the transaction of the work that it counts; the scheduler merges the rows.
    """

    __tablename__ = "metric_counts"
    __table_args__: ClassVar[Any] = (
        Index("metric_counts_group_idx", "metric", "labels", "part"),
        Index("metric_counts_unmerged_idx", "id", postgresql_where=text("NOT merged")),
    )

    id: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    metric: str = Field(sa_column=Column(Text, nullable=False))
    # The values of its labels, in the order of `storage.metrics.families`.
    labels: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    # Of a histogram: a bucket or the sum. Of a counter: empty.
    part: str = Field(sa_column=Column(Text, nullable=False))
    value: Decimal = Field(sa_column=Column(Numeric, nullable=False))
    merged: bool = Field(default=False, sa_column=Column(Boolean, nullable=False, server_default=text("false")))
