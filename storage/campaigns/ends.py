"""Find campaigns that have ended, and write their webhook messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import LiteralString
from uuid import UUID

from psycopg.rows import dict_row

from storage.campaigns.completion import complete
from storage.campaigns.notices import announce_drafts, campaign_document
from storage.campaigns.rows import count_states
from storage.database import Connection, reading_in_order
from storage.jobs.states import LIVE, JobState
from storage.webhooks.outbox import EventType, tell_campaign


@dataclass(frozen=True, slots=True)
class EndedCampaign:
    """A campaign that has just ended."""

    id: UUID
    tenant: str
    name: str
    counts: Mapping[str, int]


# An enqueue locks the campaign's row until its jobs are stored, so that a campaign being filled never counts as ended.
# The first state from each on, as only one index has them in order: with old statistics, a join reads every job.
_IDLE: LiteralString = """NOT EXISTS (
        SELECT FROM unnest(%(live)s::text[]) AS s(state)
        WHERE (SELECT j.state = s.state FROM jobs j WHERE j.campaign_id = c.id AND j.state >= s.state
               ORDER BY j.state LIMIT 1))"""
# Kept counts rule most campaigns out quickly. A campaign with wrong counts ends after they have been repaired.
_LOCK: LiteralString = f"""
SELECT c.id FROM campaigns c WHERE NOT c.settled AND CASE
    WHEN (SELECT sum(jobs) FROM job_counts
          WHERE tenant = c.tenant AND campaign_id = c.id AND state = ANY(%(live)s)) > 0 THEN false
    ELSE {_IDLE} END
ORDER BY c.id LIMIT %(limit)s FOR UPDATE OF c SKIP LOCKED
"""  # noqa: S608 - put together from constants
# A statement of its own: it sees the jobs of an enqueue that ended while the other statement looked for campaigns.
_ENDED: LiteralString = f"""
SELECT c.id, c.tenant, c.name, c.created_at, c.settled_jobs,
       coalesce((SELECT jsonb_object_agg(s.state, s.number)
                 FROM (SELECT state, sum(jobs)::bigint AS number FROM job_counts
                       WHERE tenant = c.tenant AND campaign_id = c.id GROUP BY state HAVING sum(jobs) <> 0) s),
                '{{}}'::jsonb) AS counts
FROM campaigns c WHERE c.id = ANY(%(ids)s) AND {_IDLE}
"""  # noqa: S608 - as above
_LIVE = sorted((str(state) for state in LIVE), key=lambda state: state != JobState.QUEUED)
"""Most campaigns that have not ended have queued jobs."""
_MARK: LiteralString = "UPDATE campaigns SET settled = true, settled_jobs = %(jobs)s WHERE id = %(id)s"


def end_campaigns(conn: Connection, limit: int, *, mail: bool = False) -> list[EndedCampaign]:
    """Mark up to `limit` campaigns whose jobs have all ended, write their messages and give them. `mail`: mail can be
    sent, so recipients get it too.

    A campaign that gets more jobs ends again when those have ended. An enqueue that adds no jobs does not end it again.
    """
    with reading_in_order(conn), conn.cursor(row_factory=dict_row) as cursor:
        ids = [row["id"] for row in cursor.execute(_LOCK, {"live": _LIVE, "limit": limit})]
        rows = cursor.execute(_ENDED, {"live": _LIVE, "ids": ids}).fetchall() if ids else []
    ended = []
    for row in sorted(rows, key=lambda row: ids.index(row["id"])):
        jobs = sum(row["counts"].values())
        conn.execute(_MARK, {"id": row["id"], "jobs": jobs})
        if jobs != row["settled_jobs"]:
            complete(conn, row["id"])
            counts = count_states(conn, row["id"])
            data = campaign_document(conn, row, counts)
            tell_campaign(conn, EventType.CAMPAIGN_FINISHED, row["id"], row["tenant"], str(jobs), data, mail=mail)
            announce_drafts(conn, row, jobs, mail=mail)
            ended.append(EndedCampaign(row["id"], row["tenant"], row["name"], counts))
    return ended
