"""The table of kept counts of webhook messages."""

from __future__ import annotations

from typing import Any, ClassVar

from sqlalchemy import BigInteger, Column, Text
from sqlmodel import Field, SQLModel

from storage.schema.kept.changes import id_column, indexes, merged_column


class MessageCount(SQLModel, table=True):
    """How many more messages are in a state; see `storage.counted.messages`.

    Triggers on `webhook_messages` write a row for each change, in its transaction; the scheduler merges them.
    """

    __tablename__ = "message_counts"
    __table_args__: ClassVar[Any] = indexes("message_counts", "state")

    id: int | None = id_column()
    state: str = Field(sa_column=Column(Text, nullable=False))
    messages: int = Field(sa_column=Column(BigInteger, nullable=False))
    merged: bool = merged_column()
