"""Read-only campaign queries."""

from __future__ import annotations

from typing import Any, LiteralString
from uuid import UUID

from psycopg.rows import dict_row

from storage.database import Connection

_CAMPAIGNS: LiteralString = """
SELECT c.id, c.name, c.created_at, c.paused_at, c.weight, c.proof,
       coalesce((SELECT jsonb_object_agg(s.state, s.number)
                 FROM (SELECT state, sum(jobs)::bigint AS number FROM job_counts
                       WHERE tenant = c.tenant AND campaign_id = c.id GROUP BY state HAVING sum(jobs) <> 0) s),
                '{}'::jsonb) AS counts
FROM campaigns c
WHERE c.tenant = %(tenant)s AND (%(name)s::text IS NULL OR c.name = %(name)s)
  AND (%(before)s::uuid IS NULL OR c.id < %(before)s)
ORDER BY c.id DESC LIMIT %(limit)s
"""


def campaign_summaries(
    conn: Connection, tenant: str, *, name: str | None = None, before: UUID | None = None, limit: int = 50
) -> list[dict[str, Any]]:
    """A tenant's campaigns (id, name, created_at, paused_at, weight, proof, counts by state), newest first; `before` is
    the last one of the previous page."""
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_CAMPAIGNS, {"tenant": tenant, "name": name, "before": before, "limit": limit}).fetchall()
