"""Why the queued jobs of a campaign wait, in groups: from kept sums, however many there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import LiteralString
from uuid import UUID

from psycopg.rows import class_row

from storage.counted.campaigns import WAITING_LABELS
from storage.database import Connection
from storage.jobs.claims import ACCOUNTS
from storage.jobs.queries import REASON

# Queued jobs that an account has been given a moment ago are counted, but do not wait. They are few and lie in each
# account's part of an index.
_WAITING: LiteralString = f"""
WITH queued AS (
    SELECT labels, jobs FROM campaign_sums WHERE campaign_id = %(campaign)s AND kind = 'waiting'
    UNION ALL
    SELECT {WAITING_LABELS}, -1 FROM {ACCOUNTS} a CROSS JOIN LATERAL (
        SELECT * FROM jobs WHERE account = a.account AND state = 'queued' AND due_at IS NOT NULL
        OFFSET 0) r  -- a barrier: the index of campaigns has very many rows of this state
    WHERE r.campaign_id = %(campaign)s
), j AS (
    SELECT 'queued' AS state, NULL AS account, c.id AS campaign_id, c.tenant, nullif(q.labels[1], '') AS account_pin,
           q.labels[2] AS lane, nullif(q.labels[3], '') AS reason, q.labels[4] AS price_currency,
           q.labels[5]::numeric AS least_price, q.labels[6:] AS gateways, q.jobs
    FROM (SELECT labels, sum(jobs)::bigint AS jobs FROM queued GROUP BY 1 HAVING sum(jobs) <> 0) q
    JOIN campaigns c ON c.id = %(campaign)s
)
SELECT j.account_pin, j.gateways, j.lane, {REASON} AS reason, sum(j.jobs)::bigint AS jobs FROM j GROUP BY 1, 2, 3, 4
"""  # noqa: S608 - put together from constants


@dataclass(frozen=True, slots=True)
class WaitingJobs:
    """How many `jobs` wait that are pinned to an account (None: to none), can be served by these gateways, are in this
    lane, and have this reason (None: they wait for a slot)."""

    account_pin: str | None
    gateways: list[str]
    lane: str
    reason: str | None
    jobs: int


def waiting_in_campaign(conn: Connection, campaign_id: UUID) -> list[WaitingJobs]:
    """The queued jobs of a campaign, in groups."""
    with conn.cursor(row_factory=class_row(WaitingJobs)) as cursor:
        return cursor.execute(_WAITING, {"campaign": campaign_id}).fetchall()
