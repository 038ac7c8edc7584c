"""Tenants and their limits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString

from psycopg.rows import class_row

from storage.database import Connection


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant. `weight`: how many jobs it is granted for each job of a tenant of weight 1. `jobs_per_minute`: how many
    it may enqueue; None: no limit."""

    name: str
    weight: int
    jobs_per_minute: int | None
    created_at: datetime


_LIST: LiteralString = """
SELECT name, weight, jobs_per_minute, created_at FROM tenants
WHERE %(name)s::text IS NULL OR name = %(name)s ORDER BY name
"""
_SET: LiteralString = """
INSERT INTO tenants AS t (name, weight, jobs_per_minute) VALUES (%(name)s, coalesce(%(weight)s, 1), %(rate)s)
ON CONFLICT (name) DO UPDATE SET weight = coalesce(%(weight)s, t.weight),
    jobs_per_minute = CASE WHEN %(set_rate)s THEN excluded.jobs_per_minute ELSE t.jobs_per_minute END
"""


def list_tenants(conn: Connection, name: str | None = None) -> list[Tenant]:
    """All tenants in order of their names, or only the one with this name."""
    with conn.cursor(row_factory=class_row(Tenant)) as cursor:
        return cursor.execute(_LIST, {"name": name}).fetchall()


def set_tenant(conn: Connection, name: str, *, weight: int | None, jobs_per_minute: int | None) -> None:
    """Create or change a tenant. None leaves a value as it is; `jobs_per_minute` 0 removes the limit."""
    conn.execute(
        _SET,
        {"name": name, "weight": weight, "rate": jobs_per_minute or None, "set_rate": jobs_per_minute is not None},
    )


def any_other(conn: Connection) -> bool:
    """Whether there is a tenant besides `default`."""
    row = conn.execute(
        "SELECT EXISTS (SELECT FROM tenants WHERE name <> %(name)s)", {"name": DEFAULT_TENANT}
    ).fetchone()
    return row is not None and bool(row[0])


DEFAULT_TENANT = "default"
