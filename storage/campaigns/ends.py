"""Noticing that campaigns have ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, LiteralString
from urllib.parse import quote
from uuid import UUID

from psycopg.rows import dict_row

from storage.database import Connection
from storage.jobs.states import LIVE
from storage.reporting.costs import campaign_costs
from storage.webhooks.outbox import tell_campaign


@dataclass(frozen=True, slots=True)
class EndedCampaign:
    """A campaign that has just ended."""

    id: UUID
    tenant: str
    name: str
    counts: Mapping[str, int]


# An enqueue keeps the campaign's row locked until its jobs are there: none that is being filled is taken for finished.
_QUIET: LiteralString = """
WITH quiet AS (
    SELECT c.id FROM campaigns c
    WHERE NOT c.settled AND NOT EXISTS (SELECT FROM jobs j WHERE j.campaign_id = c.id AND j.state = ANY(%(live)s))
    ORDER BY c.id LIMIT %(limit)s FOR UPDATE OF c SKIP LOCKED
)
SELECT c.id, c.tenant, c.name, c.created_at, c.settled_jobs,
       coalesce((SELECT jsonb_object_agg(s.state, s.number)
                 FROM (SELECT state, count(*) AS number FROM jobs WHERE campaign_id = c.id GROUP BY state) s),
                '{}'::jsonb) AS counts
FROM quiet q JOIN campaigns c ON c.id = q.id
"""
_SETTLE: LiteralString = "UPDATE campaigns SET settled = true, settled_jobs = %(jobs)s WHERE id = %(id)s"


def end_campaigns(conn: Connection, limit: int) -> list[EndedCampaign]:
    """Note the campaigns whose jobs have all ended, and tell whoever wants to hear of it; gives those told of.

    One that got more jobs is told of again once these have ended as well, after an enqueue that added none it is not.
    """
    with conn.cursor(row_factory=dict_row) as cursor:
        quiet = cursor.execute(_QUIET, {"live": [str(state) for state in LIVE], "limit": limit}).fetchall()
    ended = []
    for row in quiet:
        jobs = sum(row["counts"].values())
        conn.execute(_SETTLE, {"id": row["id"], "jobs": jobs})
        if jobs != row["settled_jobs"]:
            tell_campaign(conn, row["id"], row["tenant"], jobs, _document(conn, row, jobs))
            ended.append(EndedCampaign(row["id"], row["tenant"], row["name"], row["counts"]))
    return ended


def _document(conn: Connection, row: Mapping[str, Any], jobs: int) -> dict[str, Any]:
    """The campaign as the API shows it."""
    self = f"/v1/campaigns/{quote(row['name'], safe='')}"
    return {
        "name": row["name"],
        "created_at": row["created_at"],
        "counts": row["counts"],
        "total": jobs,
        "finished": jobs,
        "costs": [item.as_dict() for item in campaign_costs(conn, row["tenant"], row["name"])],
        "links": {"self": self, "manifest": f"{self}/manifest"},
    }
