"""How admission treats a campaign: a paused one gets no slots, a heavier one more of them."""

from __future__ import annotations

from uuid import UUID

from storage.database import Connection

MAX_WEIGHT = 100
"""Of campaigns and of tenants."""


def set_paused(conn: Connection, tenant: str, name: str, *, paused: bool) -> bool:
    """Pause a campaign or let it go on; False if there is none of that name. A pause keeps its first time."""
    done = conn.execute(
        """UPDATE campaigns SET paused_at = CASE WHEN %(paused)s THEN coalesce(paused_at, now()) END
           WHERE tenant = %(tenant)s AND name = %(name)s""",
        {"tenant": tenant, "name": name, "paused": paused},
    )
    return done.rowcount == 1


def set_weight(conn: Connection, campaign_id: UUID, weight: int) -> None:
    """Say how many jobs a campaign gets in its turn, where others of its tenant get one."""
    conn.execute("UPDATE campaigns SET weight = %(weight)s WHERE id = %(id)s", {"id": campaign_id, "weight": weight})


def is_paused(conn: Connection, job_id: UUID) -> bool:
    """Whether a job belongs to a paused campaign."""
    row = conn.execute(
        """SELECT c.paused_at IS NOT NULL FROM jobs j JOIN campaigns c ON c.id = j.campaign_id
           WHERE j.id = %(job)s""",
        {"job": job_id},
    ).fetchone()
    return row is not None and bool(row[0])
