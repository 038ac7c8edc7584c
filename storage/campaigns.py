"""Holding campaigns back: admission gives a paused campaign no slots."""

from __future__ import annotations

from uuid import UUID

from storage.database import Connection


def set_paused(conn: Connection, tenant: str, name: str, *, paused: bool) -> bool:
    """Pause a campaign or let it go on; False if there is none of that name. A pause keeps its first time."""
    done = conn.execute(
        """UPDATE campaigns SET paused_at = CASE WHEN %(paused)s THEN coalesce(paused_at, now()) END
           WHERE tenant = %(tenant)s AND name = %(name)s""",
        {"tenant": tenant, "name": name, "paused": paused},
    )
    return done.rowcount == 1


def is_paused(conn: Connection, job_id: UUID) -> bool:
    """Whether a job belongs to a paused campaign."""
    row = conn.execute(
        """SELECT c.paused_at IS NOT NULL FROM jobs j JOIN campaigns c ON c.id = j.campaign_id
           WHERE j.id = %(job)s""",
        {"job": job_id},
    ).fetchone()
    return row is not None and bool(row[0])
