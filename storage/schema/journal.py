"""The tables of the journal: what this database knows of its own record in the bucket, and what a restore has lost."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, DateTime, SmallInteger, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from storage.schema.tenants import NOW


class Journal(SQLModel, table=True):
    """One row. See `storage.journal.state`."""

    __tablename__ = "journal"
    __table_args__: ClassVar[Any] = (CheckConstraint("id = 1", name="journal_one_row_check"),)

    id: int = Field(default=1, sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    # Names this database and every copy of it.
    lineage: UUID = Field(
        sa_column=Column(Uuid, nullable=False, server_default=text("gen_random_uuid()")),
    )
    # The bucket that has the journal; None: none was written yet.
    place: str | None = Field(default=None, sa_column=Column(Text))
    # Everything in the journal up to then is in this database. NULL: it was never compared with the journal.
    through: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    # Why nothing is submitted until a person decides: `code`, `message`, `since`.
    hold: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    # Why the journal cannot be read or written: `code`, `message`, `since`.
    problem: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    # The last restore that was found, with counts.
    restored: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    # When a worker last made a POST that it could not write down before, and why.
    behind_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    behind_error: str | None = Field(default=None, sa_column=Column(Text))


class LostJob(SQLModel, table=True):
    """A job that was enqueued after the backup that the database was restored from: only the journal knows it."""

    __tablename__ = "lost_jobs"

    job_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    tenant: str = Field(sa_column=Column(Text, nullable=False))
    idempotency_key: str | None = Field(default=None, sa_column=Column(Text))
    account: str | None = Field(default=None, sa_column=Column(Text))
    gateway_task_id: str | None = Field(default=None, sa_column=Column(Text))
    outcome: str | None = Field(default=None, sa_column=Column(Text))
    object_key: str | None = Field(default=None, sa_column=Column(Text))
    sent_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    found_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=NOW))
