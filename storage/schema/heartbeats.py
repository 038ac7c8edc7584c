"""The table of heartbeats: when each part of the system was last seen."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    Column,
    DateTime,
    Text,
)
from sqlmodel import Field, SQLModel

from storage.schema.tenants import NOW


class Heartbeat(SQLModel, table=True):
    """When a part of the system was last seen working; `/readyz` and `doctor` read it."""

    __tablename__ = "heartbeats"

    component: str = Field(sa_column=Column(Text, primary_key=True))
    instance: str = Field(sa_column=Column(Text, primary_key=True))
    # Of reelq; empty: one from before 0033.
    version: str = Field(default="", sa_column=Column(Text, nullable=False, server_default=""))
    seen_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=NOW))
