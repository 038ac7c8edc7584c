"""How admission treats a campaign: a paused one gets no slots, a heavier one gets more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, LiteralString, cast
from uuid import UUID

from storage.database import Connection
from storage.jobs.enqueue import new_job_id
from storage.jsonb import dumps

MAX_WEIGHT = 100
"""For campaigns and tenants."""


def subject_of(campaign_id: UUID) -> str:
    """The campaign as the subject of decisions."""
    return f"campaign:{campaign_id}"


def set_paused(conn: Connection, tenant: str, name: str, *, paused: bool) -> bool:
    """Pause or resume a campaign; False: no such campaign. Pausing it again keeps the time of the first pause."""
    result = conn.execute(
        """UPDATE campaigns SET paused_at = CASE WHEN %(paused)s THEN coalesce(paused_at, now()) END
           WHERE tenant = %(tenant)s AND name = %(name)s""",
        {"tenant": tenant, "name": name, "paused": paused},
    )
    return result.rowcount == 1


def set_reading(conn: Connection, campaign_id: UUID, reading: Mapping[str, Any]) -> None:
    """Store how the campaign's sheet is read: `map` from columns to names, and the `key` column."""
    conn.execute(
        "UPDATE campaigns SET reading = %(reading)s::jsonb WHERE id = %(id)s",
        {"id": campaign_id, "reading": dumps(reading)},
    )


def reading_of(conn: Connection, tenant: str, name: str) -> dict[str, Any]:
    """How the campaign's sheet was read last; empty: nothing is stored, or there is no such campaign."""
    row = conn.execute("SELECT reading FROM campaigns WHERE tenant = %s AND name = %s", [tenant, name]).fetchone()
    return dict(row[0]) if row is not None and row[0] is not None else {}


_SET_PROOF: LiteralString = """
UPDATE campaigns c SET proof = %(proof)s
WHERE c.id = %(id)s AND (c.proof = %(proof)s OR NOT EXISTS (SELECT FROM jobs j WHERE j.campaign_id = c.id))
"""
_PROOF: LiteralString = """
SELECT c.proof FROM campaigns c
WHERE c.tenant = %s AND c.name = %s AND EXISTS (SELECT FROM jobs j WHERE j.campaign_id = c.id)
"""


def set_proof(conn: Connection, campaign_id: UUID, proof: bool) -> bool:
    """Set whether a campaign's rows are made as proofs first; False: it has jobs that are made the other way."""
    return conn.execute(_SET_PROOF, {"id": campaign_id, "proof": proof}).rowcount == 1


def proof_of(conn: Connection, tenant: str, name: str) -> bool | None:
    """Whether a campaign's rows are made as proofs first; None: it has no jobs yet, or there is no such campaign."""
    row = conn.execute(_PROOF, [tenant, name]).fetchone()
    return None if row is None else bool(row[0])


def set_weight(conn: Connection, campaign_id: UUID, weight: int) -> None:
    """Set how many jobs a campaign is granted for each job of its tenant's campaigns of weight 1."""
    conn.execute("UPDATE campaigns SET weight = %(weight)s WHERE id = %(id)s", {"id": campaign_id, "weight": weight})


def find_campaign(conn: Connection, tenant: str, name: str) -> UUID | None:
    """The id of a tenant's campaign; None: there is none with that name."""
    row = conn.execute("SELECT id FROM campaigns WHERE tenant = %s AND name = %s", [tenant, name]).fetchone()
    return None if row is None else cast(UUID, row[0])


def is_paused(conn: Connection, job_id: UUID) -> bool:
    """Whether a job belongs to a paused campaign."""
    row = conn.execute(
        """SELECT c.paused_at IS NOT NULL FROM jobs j JOIN campaigns c ON c.id = j.campaign_id
           WHERE j.id = %(job)s""",
        {"job": job_id},
    ).fetchone()
    return row is not None and bool(row[0])


_CAMPAIGN: LiteralString = """
INSERT INTO campaigns (id, tenant, name) VALUES (%(id)s, %(tenant)s, %(name)s)
ON CONFLICT (tenant, name) DO UPDATE SET settled = false
RETURNING id
"""


def ensure_campaign(conn: Connection, tenant: str, name: str) -> UUID:
    """The id of the campaign with this name, created if there is none."""
    row = conn.execute(_CAMPAIGN, {"id": new_job_id(), "tenant": tenant, "name": name}).fetchone()
    assert row is not None  # noqa: S101 - DO UPDATE returns the row either way
    return cast(UUID, row[0])
