"""The table of links to campaigns that need no key."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import Boolean, Column, DateTime, ForeignKey, Index, Text, Uuid, text
from sqlmodel import Field, SQLModel

from storage.schema.tenants import NOW


class CampaignShare(SQLModel, table=True):
    """One link. Only the hash of its token is kept."""

    __tablename__ = "campaign_shares"
    __table_args__: ClassVar[Any] = (
        Index("campaign_shares_token_idx", "token_hash", unique=True),
        Index("campaign_shares_campaign_idx", "campaign_id"),
    )

    id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    campaign_id: UUID = Field(sa_column=Column(Uuid, ForeignKey("campaigns.id"), nullable=False))
    token_hash: str = Field(sa_column=Column(Text, nullable=False))
    # It shows approved videos only, else all that are not rejected.
    approved_only: bool = Field(default=False, sa_column=Column(Boolean, nullable=False, server_default=text("false")))
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=NOW))
    created_by: str | None = Field(default=None, sa_column=Column(Text))
    expires_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    revoked_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
