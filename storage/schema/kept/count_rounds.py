"""The table of rounds over kept counts."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Column, DateTime, Text
from sqlmodel import Field, SQLModel


class CountRound(SQLModel, table=True):
    """Where the comparison of kept counts with their rows goes on; see `storage.reporting.count_rounds`."""

    __tablename__ = "count_rounds"

    name: str = Field(sa_column=Column(Text, primary_key=True))
    # Of jobs: the last tenant that was compared.
    place: str = Field(default="", sa_column=Column(Text, nullable=False, server_default=""))
    next_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
