"""Notices about drafts that wait for a decision and can soon be made final no longer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString
from urllib.parse import quote
from uuid import UUID

from psycopg.rows import class_row

from storage.database import Connection
from storage.webhooks.outbox import EventType, tell_campaign

NOTICE_S = 24 * 3600.0
"""How long before their end drafts are announced."""


@dataclass(frozen=True, slots=True)
class ExpiringDrafts:
    """Drafts of a campaign that were announced. `ends_at`: the first end; `rows`: how many; `numbers`: the first of
    their rows, as a spreadsheet counts."""

    campaign_id: UUID
    tenant: str
    name: str
    ends_at: datetime
    rows: int
    numbers: list[int]


# A notice covers the drafts that end within a day, so a campaign gets at most one a day. The index of drafts finds
# them: campaigns without drafts cost nothing.
_NOTE: LiteralString = """
WITH expiring AS (
    SELECT j.campaign_id, j.id, j.draft_ends_at FROM jobs j JOIN campaigns c ON c.id = j.campaign_id
    WHERE j.state = 'succeeded' AND j.draft_of IS NULL AND j.draft_ends_at IS NOT NULL
      AND j.draft_ends_at > now() AND j.draft_ends_at <= now() + make_interval(secs => %(notice_s)s)
      AND j.draft_ends_at > coalesce(c.drafts_announced_until, '-infinity')
), undecided AS (
    SELECT e.campaign_id, min(e.draft_ends_at) AS ends_at, count(*) AS rows,
           (array_agg(r.number ORDER BY r.number))[:100] AS numbers
    FROM expiring e JOIN campaign_rows r ON r.campaign_id = e.campaign_id AND r.review = 'open'
        AND (r.job_id = e.id OR r.kept_job_id = e.id)
    GROUP BY e.campaign_id
), locked AS (
    SELECT c.id FROM campaigns c JOIN undecided u ON u.campaign_id = c.id
    ORDER BY c.id LIMIT %(limit)s FOR NO KEY UPDATE OF c SKIP LOCKED
), noted AS (
    UPDATE campaigns c SET drafts_announced_until = now() + make_interval(secs => %(notice_s)s)
    FROM locked l, undecided u
    WHERE c.id = l.id AND u.campaign_id = c.id AND u.ends_at > coalesce(c.drafts_announced_until, '-infinity')
    RETURNING c.id AS campaign_id, c.tenant, c.name
)
SELECT n.campaign_id, n.tenant, n.name, u.ends_at, u.rows, u.numbers FROM noted n JOIN undecided u USING (campaign_id)
"""


def announce_expiring_drafts(conn: Connection, limit: int, *, mail: bool = False) -> list[ExpiringDrafts]:
    """Write the messages of up to `limit` campaigns with drafts that end within a day and wait for a decision, and give
    what was announced. Two schedulers announce the same drafts once. `mail`: mail can be sent, so recipients get it
    too."""
    with conn.cursor(row_factory=class_row(ExpiringDrafts)) as cursor:
        found = cursor.execute(_NOTE, {"notice_s": NOTICE_S, "limit": limit}).fetchall()
    for item in found:
        self = f"/v1/campaigns/{quote(item.name, safe='')}"
        data = {
            "name": item.name,
            "drafts": item.rows,
            "first_ends_at": item.ends_at,
            "rows": item.numbers,
            "links": {"self": self, "page": f"/campaigns/{quote(item.name, safe='')}"},
        }
        event = EventType.CAMPAIGN_DRAFTS_EXPIRING
        tell_campaign(conn, event, item.campaign_id, item.tenant, item.ends_at.isoformat(), data, mail=mail)
    return found
