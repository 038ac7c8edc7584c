"""The table of quotes: exact requests with their price, for programs that enqueue only what was quoted."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import Column, DateTime, Index, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from storage.schema.tenants import NOW


class Quote(SQLModel, table=True):
    """One quote. Its id cannot be guessed, and the job that it becomes has a key derived from it."""

    __tablename__ = "quotes"
    __table_args__: ClassVar[Any] = (Index("quotes_expires_idx", "expires_at"),)

    id: str = Field(sa_column=Column(Text, primary_key=True))
    tenant: str = Field(sa_column=Column(Text, nullable=False))
    # The fields of the job.
    fields: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    # The estimate at the first account that can serve it; NULL: no price is known.
    estimate: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    # The most that it costs at each account, by currency.
    prices: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=NOW))
    expires_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
