"""The table of decisions about other things than single jobs: campaigns, keys, tenants, accounts, webhooks."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import BigInteger, Column, DateTime, Identity, Index, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel


class Decision(SQLModel, table=True):
    """Who decided what. Rows are only added."""

    __tablename__ = "decisions"
    __table_args__: ClassVar[Any] = (Index("decisions_subject_idx", "tenant", "subject", "id"),)

    id: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    at: datetime = Field(
        sa_column=Column(DateTime(timezone=True), nullable=False, server_default=text("clock_timestamp()"))
    )
    tenant: str = Field(sa_column=Column(Text, nullable=False))
    actor: str | None = Field(default=None, sa_column=Column(Text))
    # Such as campaign.paused.
    what: str = Field(sa_column=Column(Text, nullable=False))
    # Such as campaign:ID or key:ID.
    subject: str = Field(sa_column=Column(Text, nullable=False))
    detail: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False, server_default=text("'{}'")))
