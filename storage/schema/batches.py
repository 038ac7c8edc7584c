"""The tables of OpenAI's Batch API: files, and batches of requests that are stored as jobs part by part."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from storage.schema.tenants import NOW

BATCH_STATES = (
    "validating",
    "failed",
    "in_progress",
    "completed",
    "expired",
    "cancelling",
    "cancelled",
)


class BatchFile(SQLModel, table=True):
    """A file of a tenant: requests, one JSON object per line."""

    __tablename__ = "batch_files"
    __table_args__: ClassVar[Any] = (
        Index("batch_files_tenant_idx", "tenant", "id"),
        Index("batch_files_expires_idx", "expires_at"),
    )

    id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    tenant: str = Field(sa_column=Column(Text, nullable=False))
    filename: str = Field(sa_column=Column(Text, nullable=False))
    bytes: int = Field(sa_column=Column(BigInteger, nullable=False))
    lines: int = Field(sa_column=Column(Integer, nullable=False))
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=NOW))
    expires_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))


class BatchFilePart(SQLModel, table=True):
    """Some whole lines of a file. `first_line` counts from 1."""

    __tablename__ = "batch_file_parts"

    file_id: UUID = Field(
        sa_column=Column(Uuid, ForeignKey("batch_files.id", ondelete="CASCADE"), primary_key=True, nullable=False)
    )
    number: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    first_line: int = Field(sa_column=Column(Integer, nullable=False))
    content: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class Batch(SQLModel, table=True):
    """A batch. `next_part` of its file is stored as jobs next; NULL: all are."""

    __tablename__ = "batches"
    __table_args__: ClassVar[Any] = (
        CheckConstraint(f"state IN {BATCH_STATES}", name="batches_state_check"),
        CheckConstraint(
            "(due_at IS NULL) = (state IN ('failed', 'completed', 'expired', 'cancelled'))", name="batches_due_check"
        ),
        Index("batches_tenant_idx", "tenant", "id"),
        Index("batches_due_idx", "due_at", postgresql_where=text("due_at IS NOT NULL")),
        Index(
            "batches_uncounted_idx",
            "id",
            postgresql_where=text("ended_at IS NOT NULL AND (counted_at IS NULL OR counted_at < ended_at)"),
        ),
    )

    id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    tenant: str = Field(sa_column=Column(Text, nullable=False))
    # Who made it, and so its jobs.
    actor: str | None = Field(default=None, sa_column=Column(Text))
    # No foreign key: the batch outlives its file.
    file_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    lines: int = Field(sa_column=Column(Integer, nullable=False))
    window_s: int = Field(sa_column=Column(Integer, nullable=False))
    # "metadata" is taken on SQLModel classes.
    batch_metadata: dict[str, Any] | None = Field(default=None, sa_column=Column("metadata", JSONB(none_as_null=True)))
    state: str = Field(default="validating", sa_column=Column(Text, nullable=False, server_default="validating"))
    errors: list[dict[str, Any]] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    next_part: int | None = Field(default=None, sa_column=Column(Integer, server_default="0"))
    due_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True), server_default=NOW))
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=NOW))
    in_progress_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    cancelling_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    ended_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    expires_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    # How many requests are stored, and how many of them ended how, as they were at `counted_at`; NULL: not counted yet.
    stored: int | None = Field(default=None, sa_column=Column(Integer))
    completed: int | None = Field(default=None, sa_column=Column(Integer))
    failed: int | None = Field(default=None, sa_column=Column(Integer))
    counted_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))


class BatchLine(SQLModel, table=True):
    """One request of a batch: its job, or why there is none."""

    __tablename__ = "batch_lines"
    __table_args__: ClassVar[Any] = (
        CheckConstraint("(job_id IS NULL) <> (error IS NULL)", name="batch_lines_result_check"),
        UniqueConstraint("batch_id", "custom_id", name="batch_lines_custom_id_key"),
    )

    batch_id: UUID = Field(
        sa_column=Column(Uuid, ForeignKey("batches.id", ondelete="CASCADE"), primary_key=True, nullable=False)
    )
    line: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    custom_id: str = Field(sa_column=Column(Text, nullable=False))
    # No foreign key: retention may delete the job first.
    job_id: UUID | None = Field(default=None, sa_column=Column(Uuid))
    error: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
