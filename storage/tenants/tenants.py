"""Tenants: who there is, and what each may do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString

from psycopg.rows import class_row

from storage.database import Connection


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant. `weight` is how many jobs it gets in its turn; `jobs_per_minute` what it may enqueue, None: as many as
    it likes."""

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
    """The tenants by name, or the one of that name."""
    with conn.cursor(row_factory=class_row(Tenant)) as cursor:
        return cursor.execute(_LIST, {"name": name}).fetchall()


def set_tenant(conn: Connection, name: str, *, weight: int | None, jobs_per_minute: int | None) -> None:
    """Make a tenant or change it. None leaves a value as it is; `jobs_per_minute` 0 takes the limit away."""
    conn.execute(
        _SET,
        {"name": name, "weight": weight, "rate": jobs_per_minute or None, "set_rate": jobs_per_minute is not None},
    )


DEFAULT_TENANT = "default"
