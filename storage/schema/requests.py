"""The table of generated keys for requests without an idempotency key."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Identity,
    Index,
    SmallInteger,
    Text,
)
from sqlmodel import Field, SQLModel

from storage.schema.tenants import NOW


class RequestKey(SQLModel, table=True):
    """The generated idempotency key of a request without one, kept as long as its client may repeat the request."""

    __tablename__ = "request_keys"
    __table_args__: ClassVar[Any] = (
        Index("request_keys_fingerprint_idx", "tenant", "fingerprint"),
        Index("request_keys_at_idx", "at"),
        Index("request_keys_key_idx", "key"),
    )

    id: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    tenant: str = Field(sa_column=Column(Text, nullable=False))
    fingerprint: str = Field(sa_column=Column(Text, nullable=False))
    # How often it was repeated, according to its client.
    repetition: int = Field(sa_column=Column(SmallInteger, nullable=False))
    key: str = Field(sa_column=Column(Text, nullable=False))
    at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=NOW))
