"""What a campaign that is planned will meet: keys that are known, and the jobs of others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import LiteralString
from uuid import UUID

from storage.database import Connection

_AT_ONCE = 10_000
_KNOWN: LiteralString = """
SELECT idempotency_key, id, request_hash FROM jobs
WHERE tenant = %(tenant)s AND idempotency_key = ANY(%(keys)s)
"""
_WAITING: LiteralString = """
SELECT coalesce(sum(jobs), 0)::bigint FROM job_counts WHERE state = 'queued' AND reason <> 'kept_back'
"""


def known_jobs(conn: Connection, tenant: str, keys: Sequence[str]) -> dict[str, tuple[UUID, str]]:
    """The jobs of a tenant with these idempotency keys: id and request hash, by key."""
    found: dict[str, tuple[UUID, str]] = {}
    for start in range(0, len(keys), _AT_ONCE):
        rows = conn.execute(_KNOWN, {"tenant": tenant, "keys": list(keys[start : start + _AT_ONCE])})
        found.update({row[0]: (row[1], row[2]) for row in rows})
    return found


def jobs_waiting(conn: Connection) -> int:
    """How many jobs wait in the queue now, of all tenants."""
    row = conn.execute(_WAITING).fetchone()
    return 0 if row is None else int(row[0])
