"""The table of kept counts of webhook messages."""

from __future__ import annotations

from typing import Any, ClassVar

from sqlalchemy import BigInteger, Boolean, Column, Identity, Index, Text, text
from sqlmodel import Field, SQLModel


class MessageCount(SQLModel, table=True):
    """How many more messages are in a state; see `storage.counted.messages`.

    Triggers on `webhook_messages` write a row for each change, in its transaction; the scheduler merges them.
    """

    __tablename__ = "message_counts"
    __table_args__: ClassVar[Any] = (
        Index("message_counts_group_idx", "state"),
        Index("message_counts_unmerged_idx", "id", postgresql_where=text("NOT merged")),
    )

    id: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    state: str = Field(sa_column=Column(Text, nullable=False))
    messages: int = Field(sa_column=Column(BigInteger, nullable=False))
    merged: bool = Field(default=False, sa_column=Column(Boolean, nullable=False, server_default=text("false")))
