"""What all tables of kept counts have: each row is a change, until it is merged with the others of its group."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Identity, Index, text
from sqlmodel import Field


def indexes(table: str, *group: str) -> tuple[Index, Index]:
    """By the columns of the group, and of what the scheduler has not merged yet."""
    return (
        Index(f"{table}_group_idx", *group),
        Index(f"{table}_unmerged_idx", "id", postgresql_where=text("NOT merged")),
    )


def id_column() -> Any:
    """Its number, which the database gives."""
    return Field(default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True))


def merged_column() -> Any:
    """Whether it was merged."""
    return Field(default=False, sa_column=Column(Boolean, nullable=False, server_default=text("false")))
