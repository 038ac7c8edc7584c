"""Rows for jobs that have none: an older release enqueued them, or another program wrote them.

A job of a campaign that came without a sheet gets a row of its own, numbered in the order of the jobs. A retry or a
final becomes a version of the row of the job that it was made from. Rows are made in pieces, in the order of the jobs'
ids, so that a page of a large campaign waits for its own rows only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import LiteralString
from uuid import UUID

from storage.campaigns.versions import VersionKind, note_version
from storage.database import Connection, reading_in_order
from storage.jobs.states import JobState
from storage.jobs.walks import FIRST, LAST, walk

AT_ONCE = 1_000
"""Jobs of one piece: a tenth of a second of PostgreSQL."""
SOON = 1_000
"""Rows that are made while a person or the scheduler waits for something else."""
_LACKING: LiteralString = """
SELECT c.id, coalesce((SELECT sum(jobs) FROM job_counts WHERE tenant = c.tenant AND campaign_id = c.id), 0)
           - coalesce((SELECT sum(versions) FROM row_counts WHERE campaign_id = c.id), 0)
FROM campaigns c WHERE c.id = ANY(%(campaigns)s)
"""
# An enqueue holds the campaign's row until its jobs and rows are stored.
_LOCK: LiteralString = "SELECT 1 FROM campaigns WHERE id = %(campaign)s FOR UPDATE SKIP LOCKED"
_UUID: LiteralString = "'^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'"
_LAST: LiteralString = """
SELECT id FROM campaign_rows WHERE campaign_id = %(campaign)s ORDER BY number DESC, id DESC LIMIT 1
"""
# The next jobs of each state by index, each looked up by its id. Callers can write any
# metadata, so what looks like a link counts only if it leads to an older job of the campaign.
_WITHOUT_ROW: LiteralString = """
      AND coalesce((SELECT false FROM campaign_rows r WHERE r.id = f.id), true)
      AND coalesce((SELECT false FROM campaign_versions v WHERE v.job_id = f.id), true)"""
_ADD_ROWS: LiteralString = f"""
WITH missing AS MATERIALIZED (
    {walk("campaign_id", "%(campaign)s", "ASC", _WITHOUT_ROW)}
), linked AS MATERIALIZED (
    SELECT m.id, m.draft_of IS NOT NULL OR m.metadata ? 'final_of_look' AS is_final,
           (SELECT o.id FROM jobs o WHERE o.campaign_id = %(campaign)s AND o.id < m.id AND o.id = coalesce(
                m.draft_of,
                CASE WHEN m.metadata ->> 'retry_of' ~ {_UUID} THEN (m.metadata ->> 'retry_of')::uuid END,
                CASE WHEN m.metadata ->> 'final_of_look' ~ {_UUID} THEN (m.metadata ->> 'final_of_look')::uuid END)
           ) AS origin
    FROM missing n CROSS JOIN LATERAL (SELECT * FROM jobs WHERE id = n.id OFFSET 0) m
), made AS (
    INSERT INTO campaign_rows (id, campaign_id, number, job_id)
    SELECT l.id, %(campaign)s, row_number() OVER (ORDER BY l.id) + coalesce((
               SELECT number FROM campaign_rows WHERE campaign_id = %(campaign)s
               ORDER BY number DESC LIMIT 1), 0), l.id
    FROM linked l WHERE l.origin IS NULL ORDER BY l.id
)
SELECT id, origin, is_final FROM linked ORDER BY id
"""  # noqa: S608 - put together from constants


def lacking_rows(conn: Connection, campaign_id: UUID) -> int:
    """How many jobs of a campaign have no row and are no version of one, by kept counts."""
    return _lacking(conn, [campaign_id]).get(campaign_id, 0)


def _lacking(conn: Connection, campaign_ids: Sequence[UUID]) -> dict[UUID, int]:
    """The same for each of these campaigns that lacks any."""
    found = conn.execute(_LACKING, {"campaigns": list(campaign_ids)})
    return {campaign: int(number) for campaign, number in found if number > 0}


def complete(conn: Connection, *campaign_ids: UUID) -> None:
    """Make the rows that these campaigns lack, in this order, but no more than `SOON` in total. Does nothing for a
    campaign that lacks more, or while another session stores jobs of it."""
    left = SOON
    lacking = _lacking(conn, campaign_ids)
    for campaign_id in campaign_ids:
        number = lacking.get(campaign_id, 0)
        if 0 < number <= left:
            left -= number
            while complete_next(conn, campaign_id) and lacking_rows(conn, campaign_id):
                pass


def complete_next(conn: Connection, campaign_id: UUID) -> int | None:
    """Make the rows of the next jobs of a campaign that lack them; returns how many became rows or versions. None:
    another session stores jobs of the campaign."""
    values = {"campaign": campaign_id}
    if conn.execute(_LOCK, values).fetchone() is None:
        return None
    last = conn.execute(_LAST, values).fetchone()
    # Behind the last row, as long as rows are made in this order; then those that were written with smaller ids since.
    behind = 0 if last is None else _add(conn, campaign_id, last[0])
    return behind or _add(conn, campaign_id, FIRST)


def _add(conn: Connection, campaign_id: UUID, after: UUID) -> int:
    values = {"campaign": campaign_id, "states": list(JobState), "above": after, "below": LAST, "limit": AT_ONCE}
    noted = 0
    with reading_in_order(conn):
        added = conn.execute(_ADD_ROWS, values).fetchall()
    for job_id, origin, is_final in added:
        kind = VersionKind.FINAL if is_final else VersionKind.RETRY
        if origin is None or note_version(conn, campaign_id, origin, job_id, kind):
            noted += 1
    return noted
