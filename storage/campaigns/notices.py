"""Find campaigns about which people should know something, and announce it: once for each occasion.

A row of `campaign_notices` is inserted in the transaction that writes the messages, so that two schedulers announce an
occasion once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, LiteralString
from urllib.parse import quote
from uuid import UUID

from psycopg.rows import dict_row

from storage.admission.spending.budgets import WHOLE_TENANT, budgets_of
from storage.campaigns.completion import complete
from storage.campaigns.rows import KEPT, count_states
from storage.database import Connection
from storage.jobs.states import TERMINAL, JobState
from storage.reporting.costs import campaign_costs
from storage.webhooks.outbox import EventType, tell_campaign

NEARLY = 0.8
"""The part of a budget at which people are warned."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that was announced about a campaign."""

    campaign_id: UUID
    event: EventType


# Nothing of it is on its way; what waits was kept back by --first. The occasion is the number of jobs that have ended
# with a result: after a retry or a reroll of the first rows there is something to look at again.
_FIRST_ROWS: LiteralString = """
SELECT c.id, c.tenant, c.name, c.created_at, seen.number::text AS occasion
FROM campaigns c CROSS JOIN LATERAL (
    SELECT count(*) AS number FROM jobs WHERE campaign_id = c.id AND state IN ('succeeded', 'failed')) seen
WHERE NOT c.settled
  AND EXISTS (SELECT FROM jobs WHERE campaign_id = c.id AND state = 'queued' AND reason = 'kept_back')
  AND NOT EXISTS (SELECT FROM jobs
                  WHERE campaign_id = c.id AND state IN ('submitting', 'generating', 'transferring'))
  AND NOT EXISTS (SELECT FROM jobs
                  WHERE campaign_id = c.id AND state = 'unconfirmed' AND reason IS DISTINCT FROM 'held')
  AND seen.number > 0
  AND NOT EXISTS (SELECT FROM campaign_notices n
                  WHERE n.campaign_id = c.id AND n.event = %(event)s AND n.occasion = seen.number::text)
  AND NOT EXISTS (SELECT FROM jobs
                  WHERE campaign_id = c.id AND state = 'queued' AND reason IS DISTINCT FROM 'kept_back')
ORDER BY c.id LIMIT %(limit)s FOR UPDATE OF c SKIP LOCKED
"""
# Proofs, and drafts that rows asked for themselves, that ended well, are not decided, and can still be made final. Each
# job by its id: PostgreSQL would read all jobs to join those of a large campaign.
_OPEN_DRAFTS: LiteralString = f"""
SELECT count(*) FROM campaign_rows r
CROSS JOIN LATERAL (SELECT state FROM jobs WHERE id = r.job_id OFFSET 0) j
CROSS JOIN LATERAL (
    SELECT * FROM jobs WHERE id = CASE WHEN {KEPT} THEN r.kept_job_id ELSE r.job_id END OFFSET 0) s
WHERE r.campaign_id = %(campaign)s AND r.review = 'open' AND s.state = 'succeeded'
  AND coalesce(s.draft_ends_at > now(), true)
  AND ((r.proof AND r.final IS NOT NULL) OR (s.draft_of IS NULL AND s.request -> 'draft' = 'true'::jsonb)) {{among}}
"""  # noqa: S608 - put together from constants
# Of a large campaign, only what an index finds: proofs, rows with several versions, and drafts with a known end.
_AMONG: LiteralString = """
  AND r.id = ANY(ARRAY(
    SELECT id FROM campaign_rows WHERE campaign_id = %(campaign)s AND proof AND final IS NOT NULL
    UNION ALL SELECT id FROM campaign_rows WHERE campaign_id = %(campaign)s AND job_id <> id
    UNION ALL SELECT id FROM jobs WHERE state = 'succeeded' AND draft_of IS NULL AND draft_ends_at IS NOT NULL
                AND draft_ends_at > now() AND campaign_id = %(campaign)s))
"""
LARGE = 5_000
"""Of a campaign with more jobs, a draft without a known end is not announced: each job would be read."""
# The occasion is the budget itself: a larger one can be used up again.
_OF_BUDGET: LiteralString = "trim_scale(b.amount) || ' ' || b.currency"
_NEARLY: LiteralString = f"""
SELECT c.id, c.tenant, c.name, c.created_at, {_OF_BUDGET} AS occasion
FROM budgets b JOIN campaigns c ON c.id = b.campaign_id
WHERE b.campaign_id <> %(whole)s AND b.amount > 0 AND b.spent + b.reserved >= b.amount * %(nearly)s::numeric
  AND NOT EXISTS (SELECT FROM campaign_notices n
                  WHERE n.campaign_id = c.id AND n.event = %(event)s AND n.occasion = {_OF_BUDGET})
ORDER BY c.id LIMIT %(limit)s FOR UPDATE OF c SKIP LOCKED
"""  # noqa: S608 - put together from constants
# Everything that waits is set aside for money, and nothing is on its way whose bill may leave something of it.
_USED_UP: LiteralString = f"""
SELECT c.id, c.tenant, c.name, c.created_at, {_OF_BUDGET} AS occasion
FROM budgets b JOIN campaigns c ON c.id = b.campaign_id
WHERE b.campaign_id <> %(whole)s AND NOT c.settled
  AND EXISTS (SELECT FROM jobs
              WHERE tenant = b.tenant AND state = 'queued' AND reason = 'over_budget'
                AND coalesce(campaign_id, '00000000-0000-0000-0000-000000000000'::uuid) = b.campaign_id)
  AND NOT EXISTS (SELECT FROM jobs WHERE campaign_id = c.id
                  AND state IN ('submitting', 'unconfirmed', 'generating', 'transferring'))
  AND NOT EXISTS (SELECT FROM campaign_notices n
                  WHERE n.campaign_id = c.id AND n.event = %(event)s AND n.occasion = {_OF_BUDGET})
  AND NOT EXISTS (SELECT FROM reservations WHERE tenant = b.tenant AND campaign_id = b.campaign_id)
  AND NOT EXISTS (SELECT FROM jobs WHERE campaign_id = c.id AND state = 'queued'
                  AND coalesce(reason, '') NOT IN ('over_budget', 'kept_back'))
ORDER BY c.id LIMIT %(limit)s FOR UPDATE OF c SKIP LOCKED
"""  # noqa: S608 - as above
_NOTE: LiteralString = """
INSERT INTO campaign_notices (campaign_id, event, occasion) VALUES (%(campaign)s, %(event)s, %(occasion)s)
ON CONFLICT DO NOTHING RETURNING campaign_id
"""


def announce(conn: Connection, limit: int, *, mail: bool) -> list[Notice]:
    """Write the messages of up to `limit` campaigns for each event, and give what was announced. `mail`: mail can be
    sent, so recipients get it too."""
    found = []
    for event, sql in (
        (EventType.CAMPAIGN_REVIEW_READY, _FIRST_ROWS),
        (EventType.CAMPAIGN_BUDGET_80, _NEARLY),
        (EventType.CAMPAIGN_BUDGET_USED_UP, _USED_UP),
    ):
        values = {"event": event, "limit": limit, "whole": WHOLE_TENANT, "nearly": NEARLY}
        with conn.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(sql, values).fetchall()
        for row in rows:
            budget = next(iter(budgets_of(conn, row["tenant"], [row["id"]])), None)
            if event is EventType.CAMPAIGN_BUDGET_USED_UP and (budget is None or not budget.held):
                continue  # what holds its jobs is the budget of the whole tenant
            more = {"budget": None if budget is None else budget.as_dict()}
            if _announced(conn, event, row, row["occasion"], more, mail=mail):
                found.append(Notice(row["id"], event))
    return found


def announce_drafts(conn: Connection, campaign: Mapping[str, Any], jobs: int, *, mail: bool) -> bool:
    """Announce that drafts and other proofs of a campaign that has just ended, with this number of jobs, wait for a
    decision; False: none does."""
    among: LiteralString = _AMONG if jobs > LARGE else ""
    row = conn.execute(_OPEN_DRAFTS.format(among=among), {"campaign": campaign["id"]}).fetchone()
    waiting = 0 if row is None else int(row[0])
    if waiting == 0:
        return False
    more = {"review": {"ready": waiting, "drafts": waiting}}
    return _announced(conn, EventType.CAMPAIGN_REVIEW_READY, campaign, f"drafts {jobs}", more, mail=mail)


def _announced(
    conn: Connection,
    event: EventType,
    campaign: Mapping[str, Any],
    occasion: str,
    more: Mapping[str, Any],
    *,
    mail: bool,
) -> bool:
    """Write the messages of an event, with `more` beside the campaign, unless that was done before."""
    noted = {"campaign": campaign["id"], "event": event, "occasion": occasion}
    if conn.execute(_NOTE, noted).fetchone() is None:
        return False
    complete(conn, campaign["id"])
    data = campaign_document(conn, campaign, count_states(conn, campaign["id"]))
    if event is EventType.CAMPAIGN_REVIEW_READY and "review" not in more:
        data["review"] = {"ready": data["counts"].get(JobState.SUCCEEDED, 0), "drafts": 0}
    data |= more
    tell_campaign(conn, event, campaign["id"], campaign["tenant"], occasion, data, mail=mail)
    return True


def campaign_document(conn: Connection, row: Mapping[str, Any], counts: Mapping[str, int]) -> dict[str, Any]:
    """A campaign for its messages, as the API shows it: `counts` are rows."""
    rows = sum(counts.values())
    self = f"/v1/campaigns/{quote(row['name'], safe='')}"
    return {
        "name": row["name"],
        "created_at": row["created_at"],
        "counts": counts,
        "total": rows,
        "finished": sum(counts.get(state, 0) for state in TERMINAL),
        "costs": [item.as_dict() for item in campaign_costs(conn, row["tenant"], row["name"])],
        "links": {
            "self": self,
            "manifest": f"{self}/manifest",
            "page": f"/campaigns/{quote(row['name'], safe='')}",
        },
    }
