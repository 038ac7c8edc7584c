"""The tables of uploaded files, and of the assets that tenants may name."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime, ForeignKey, Index, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from storage.schema.tenants import NOW


class Upload(SQLModel, table=True):
    """A file of a tenant in the bucket. The same content of another tenant is another row and another object."""

    __tablename__ = "uploads"
    __table_args__: ClassVar[Any] = (
        CheckConstraint("size_bytes >= 0", name="uploads_size_bytes_check"),
        Index("uploads_reference_idx", "tenant", "reference", unique=True, postgresql_where=text("removed_at IS NULL")),
        Index("uploads_created_idx", "tenant", "id"),
        Index("uploads_touched_idx", "touched_at", postgresql_where=text("removed_at IS NULL")),
        Index("uploads_removed_idx", "removed_at", postgresql_where=text("removed_at IS NOT NULL")),
    )

    id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    tenant: str = Field(sa_column=Column(Text, nullable=False))
    # upload://<sha256>.<extension>, as requests name it.
    reference: str = Field(sa_column=Column(Text, nullable=False))
    # NULL: an older release stored it under its content, for all tenants.
    object_key: str | None = Field(default=None, sa_column=Column(Text))
    # 0: an older release stored it.
    size_bytes: int = Field(sa_column=Column(BigInteger, nullable=False))
    name: str | None = Field(default=None, sa_column=Column(Text))
    # Its format, and of what applies the width, height, seconds and fps.
    facts: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=NOW))
    # When it was uploaded last.
    touched_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=NOW))
    # NULL: it is on its way to the bucket.
    stored_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    # From then on it is unknown; a worker deletes the object, then the row.
    removed_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))


class UploadUse(SQLModel, table=True):
    """A job that needs an uploaded file."""

    __tablename__ = "upload_uses"
    __table_args__: ClassVar[Any] = (Index("upload_uses_newest_idx", "upload_id", "job_id"),)

    job_id: UUID = Field(sa_column=Column(Uuid, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True))
    upload_id: UUID = Field(sa_column=Column(Uuid, ForeignKey("uploads.id", ondelete="CASCADE"), primary_key=True))


class TenantAsset(SQLModel, table=True):
    """An asset of a gateway that a tenant other than `default` may name as asset://ID."""

    __tablename__ = "tenant_assets"

    tenant: str = Field(sa_column=Column(Text, primary_key=True))
    asset_id: str = Field(sa_column=Column(Text, primary_key=True))
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=NOW))
