"""What is learnt about accounts."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    REAL,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    SmallInteger,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from storage.schema.tenants import NOW


class AccountState(SQLModel, table=True):
    """What was learnt about an account: whether it rests, and why. Schedulers lock the row while they claim."""

    __tablename__ = "account_states"

    name: str = Field(sa_column=Column(Text, primary_key=True))
    suspended_until: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    throttled_until: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    # Suspensions in a row without a job that was accepted between them, each twice as long; since when.
    suspensions: int = Field(default=0, sa_column=Column(SmallInteger, nullable=False, server_default="0"))
    suspended_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    # Why: its gateway is away; otherwise its key, permission or credit failed.
    outage: bool = Field(default=False, sa_column=Column(Boolean, nullable=False, server_default=text("false")))
    error: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    # Refusals ("too many") in a row without a job that was accepted between them.
    throttles: int = Field(default=0, sa_column=Column(SmallInteger, nullable=False, server_default="0"))
    # As configured, and what was learnt at refusals (NULL: the same), since when; how much more is tried next, and how
    # many seconds after a refusal.
    max_in_flight: int | None = Field(default=None, sa_column=Column(Integer))
    slot_limit: int | None = Field(default=None, sa_column=Column(Integer))
    slot_limit_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))
    slot_step: int = Field(default=1, sa_column=Column(Integer, nullable=False, server_default="1"))
    slot_wait_s: float = Field(default=10.0, sa_column=Column(REAL, nullable=False, server_default="10"))
    updated_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=NOW))


class PollCount(SQLModel, table=True):
    """Polls of an account that has a limit of them, claimed at one moment; kept for as long as they count."""

    __tablename__ = "poll_counts"
    __table_args__: ClassVar[Any] = (Index("poll_counts_account_idx", "account", "at"),)

    id: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    account: str = Field(sa_column=Column(Text, nullable=False))
    at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=NOW))
    requests: int = Field(sa_column=Column(Integer, nullable=False))


class AccountTurn(SQLModel, table=True):
    """The share of a tenant that an account served last, and what it and the tenant have had of their turns."""

    __tablename__ = "account_turns"

    account: str = Field(sa_column=Column(Text, primary_key=True))
    tenant: str = Field(sa_column=Column(Text, primary_key=True))
    campaign: UUID = Field(sa_column=Column(Uuid, nullable=False))
    pin: str = Field(sa_column=Column(Text, nullable=False))
    taken: int = Field(default=0, sa_column=Column(SmallInteger, nullable=False, server_default="0"))
    share_taken: int = Field(default=0, sa_column=Column(SmallInteger, nullable=False, server_default="0"))
    served_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=NOW))


class Durations(SQLModel, table=True):
    """Recent generation times in seconds of one kind of video at one account, the newest first."""

    __tablename__ = "durations"

    account: str = Field(sa_column=Column(Text, primary_key=True))
    tier: str = Field(sa_column=Column(Text, primary_key=True))
    resolution: str = Field(sa_column=Column(Text, primary_key=True))
    duration: str = Field(sa_column=Column(Text, primary_key=True))
    seconds: list[float] = Field(sa_column=Column(ARRAY(REAL), nullable=False))
    updated_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=NOW))
