"""The table of wanted copies of videos."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    SmallInteger,
    Text,
    Uuid,
    text,
)
from sqlmodel import Field, SQLModel

from storage.schema.tenants import NOW


class PlayableCopy(SQLModel, table=True):
    """A wanted copy of a video that every browser plays; the row goes when the copy is stored."""

    __tablename__ = "playable_copies"
    __table_args__: ClassVar[Any] = (
        CheckConstraint("(due_at IS NULL) = (error IS NOT NULL)", name="playable_copies_due_at_check"),
        Index("playable_copies_due_idx", "due_at", postgresql_where=text("due_at IS NOT NULL")),
    )

    job_id: UUID = Field(sa_column=Column(Uuid, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True))
    # When it is made, or when the lease of its worker ends. None: given up.
    due_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True), server_default=NOW))
    claim: int = Field(default=0, sa_column=Column(BigInteger, nullable=False, server_default="0"))
    leased: bool = Field(default=False, sa_column=Column(Boolean, nullable=False, server_default=text("false")))
    tries: int = Field(default=0, sa_column=Column(SmallInteger, nullable=False, server_default="0"))
    # Why it was given up.
    error: str | None = Field(default=None, sa_column=Column(Text))
