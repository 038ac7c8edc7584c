"""The table that says which programs can work on the schema."""

from __future__ import annotations

from typing import Any, ClassVar

from sqlalchemy import Boolean, CheckConstraint, Column, Text, text
from sqlmodel import Field, SQLModel


class SchemaCompatibility(SQLModel, table=True):
    """One row; see `storage.revisions`."""

    __tablename__ = "schema_compatibility"
    __table_args__: ClassVar[Any] = (CheckConstraint("one", name="schema_compatibility_one_check"),)

    one: bool = Field(default=True, sa_column=Column(Boolean, primary_key=True, server_default=text("true")))
    # The revision for which the oldest program is written that can work on the schema.
    oldest_program: str = Field(sa_column=Column(Text, nullable=False))
