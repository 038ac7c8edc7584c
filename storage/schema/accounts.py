"""Tables of account states: circuit breakers, learnt limits, fair shares and generation times."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    REAL,
    BigInteger,
    Boolean,
    CheckConstraint,
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

from storage.admission.circuit_breaker import Cause
from storage.schema.tenants import NOW


class AccountState(SQLModel, table=True):
    """An account. Schedulers lock its row while they grant it jobs, and workers while they open its breakers."""

    __tablename__ = "account_states"

    name: str = Field(sa_column=Column(Text, primary_key=True))
    # The version of all accounts (`accounts_version`) below which no job may be granted to it.
    version: int = Field(default=0, sa_column=Column(BigInteger, nullable=False, server_default=text("0")))
    # It gets no new job; tasks that it has go on. NULL: it is not paused.
    paused_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))


class StoredAccount(SQLModel, table=True):
    """An account that was added while everything ran. Those of the configuration file have no row."""

    __tablename__ = "accounts"

    name: str = Field(sa_column=Column(Text, primary_key=True))
    # As an entry of `[[accounts]]`, without secrets.
    settings: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    # The key of new jobs.
    key_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=NOW))
    changed_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=NOW))
    # It gets no new job and is deleted when its last task has ended.
    removing_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))


class AccountKey(SQLModel, table=True):
    """The secrets of a stored account, encrypted. A replaced key stays as long as a task that it started lives."""

    __tablename__ = "account_keys"
    __table_args__: ClassVar[Any] = (Index("account_keys_account_idx", "account"),)

    id: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    account: str = Field(sa_column=Column(Text, nullable=False))
    # See `storage.sealing`.
    sealed: str = Field(sa_column=Column(Text, nullable=False))
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=NOW))
    # When another key replaced it.
    retired_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))


class AccountsVersion(SQLModel, table=True):
    """One row. Its number grows with each change of an account, so that processes notice it."""

    __tablename__ = "accounts_version"
    __table_args__: ClassVar[Any] = (CheckConstraint("one", name="accounts_version_one_check"),)

    one: bool = Field(default=True, sa_column=Column(Boolean, primary_key=True, server_default=text("true")))
    version: int = Field(sa_column=Column(BigInteger, nullable=False))


class CircuitBreaker(SQLModel, table=True):
    """The breaker of an account, or of one of its models: paused until `open_until`, then tried with a few jobs."""

    __tablename__ = "circuit_breakers"
    __table_args__: ClassVar[Any] = (
        CheckConstraint(
            f"cause IN ({', '.join(repr(cause.value) for cause in Cause)})", name="circuit_breakers_cause_check"
        ),
    )

    account: str = Field(sa_column=Column(Text, primary_key=True))
    # The gateway's name of the model; empty: the account as a whole.
    model: str = Field(sa_column=Column(Text, primary_key=True))
    cause: str = Field(sa_column=Column(Text, nullable=False))
    # Whether a try may leave a generation in doubt.
    doubtful: bool = Field(default=False, sa_column=Column(Boolean, nullable=False, server_default=text("false")))
    open_until: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    # When it opened last, and when it opened first in a row for the same cause.
    opened_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=NOW))
    since: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=NOW))
    # The attempts from `tried_from` to `opened_at` opened it; `judged`: they were checked for signs of a slot limit.
    tried_from: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=NOW))
    judged: bool = Field(default=False, sa_column=Column(Boolean, nullable=False, server_default=text("false")))
    # Openings in a row, for the same cause and without an acceptance between them.
    openings: int = Field(default=1, sa_column=Column(Integer, nullable=False, server_default="1"))
    error: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))


class ModelLimit(SQLModel, table=True):
    """The number of slots that a gateway seems to allow for one model of an account; see `slot_limits`."""

    __tablename__ = "model_limits"

    account: str = Field(sa_column=Column(Text, primary_key=True))
    model: str = Field(sa_column=Column(Text, primary_key=True))
    slots: int = Field(sa_column=Column(Integer, nullable=False))
    # How many more slots to try next, and how many seconds after a refusal.
    step: int = Field(default=1, sa_column=Column(Integer, nullable=False, server_default="1"))
    wait_s: float = Field(default=2.0, sa_column=Column(REAL, nullable=False, server_default="2"))
    since: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=NOW))


class PollCount(SQLModel, table=True):
    """Polls of an account with a poll limit, claimed at one moment; kept as long as they count against the limit."""

    __tablename__ = "poll_counts"
    __table_args__: ClassVar[Any] = (Index("poll_counts_account_idx", "account", "at"),)

    id: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    account: str = Field(sa_column=Column(Text, nullable=False))
    at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=NOW))
    requests: int = Field(sa_column=Column(Integer, nullable=False))


class AccountTurn(SQLModel, table=True):
    """The share of a tenant that an account served last, and how many slots of their turns the share and the tenant
    have used."""

    __tablename__ = "account_turns"

    account: str = Field(sa_column=Column(Text, primary_key=True))
    tenant: str = Field(sa_column=Column(Text, primary_key=True))
    campaign: UUID = Field(sa_column=Column(Uuid, nullable=False))
    pin: str = Field(sa_column=Column(Text, nullable=False))
    taken: int = Field(default=0, sa_column=Column(SmallInteger, nullable=False, server_default="0"))
    share_taken: int = Field(default=0, sa_column=Column(SmallInteger, nullable=False, server_default="0"))
    served_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=NOW))


class Durations(SQLModel, table=True):
    """Recent generation times in seconds of one kind of video at one account, newest first."""

    __tablename__ = "durations"

    account: str = Field(sa_column=Column(Text, primary_key=True))
    tier: str = Field(sa_column=Column(Text, primary_key=True))
    resolution: str = Field(sa_column=Column(Text, primary_key=True))
    duration: str = Field(sa_column=Column(Text, primary_key=True))
    seconds: list[float] = Field(sa_column=Column(ARRAY(REAL), nullable=False))
    updated_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=NOW))
