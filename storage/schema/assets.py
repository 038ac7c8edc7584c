"""Files that gateways keep for an account."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    Text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from storage.schema.tenants import NOW


class Asset(SQLModel, table=True):
    """A file that an account's gateway keeps: uploaded, and billed, once per account and content."""

    __tablename__ = "assets"
    __table_args__: ClassVar[Any] = (
        CheckConstraint("status IN ('uploading', 'processing', 'active', 'failed')", name="assets_status_check"),
        CheckConstraint("status = 'uploading' OR asset_id IS NOT NULL", name="assets_asset_id_check"),
    )

    account: str = Field(sa_column=Column(Text, primary_key=True))
    sha256: str = Field(sa_column=Column(Text, primary_key=True))
    modality: str = Field(sa_column=Column(Text, nullable=False))
    name: str = Field(sa_column=Column(Text, nullable=False))
    group_id: str | None = Field(default=None, sa_column=Column(Text))
    asset_id: str | None = Field(default=None, sa_column=Column(Text))
    status: str = Field(sa_column=Column(Text, nullable=False, server_default="uploading"))
    error: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=NOW))
    updated_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=NOW))
