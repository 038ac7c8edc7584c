"""The tables of notices about campaigns: what was announced already, and who gets mail."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, Column, DateTime, ForeignKey, Text, Uuid
from sqlmodel import Field, SQLModel

from storage.schema.tenants import NOW
from storage.webhooks.recipients import MAX_RECIPIENTS


class CampaignNotice(SQLModel, table=True):
    """An event of a campaign that was announced on an occasion; each occasion is announced once."""

    __tablename__ = "campaign_notices"

    campaign_id: UUID = Field(sa_column=Column(Uuid, ForeignKey("campaigns.id"), primary_key=True))
    event: str = Field(sa_column=Column(Text, primary_key=True))
    # What tells two occasions of one event apart, such as the budget that was used up.
    occasion: str = Field(sa_column=Column(Text, primary_key=True))
    at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=NOW))


class MailRecipients(SQLModel, table=True):
    """Who gets mail about a campaign; of a tenant (`campaign_id` all zeros): about its campaigns without a row here."""

    __tablename__ = "mail_recipients"
    __table_args__: ClassVar[Any] = (
        CheckConstraint(f"cardinality(addresses) <= {MAX_RECIPIENTS}", name="mail_recipients_addresses_check"),
    )

    tenant: str = Field(sa_column=Column(Text, primary_key=True))
    campaign_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    # Empty: no one.
    addresses: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
