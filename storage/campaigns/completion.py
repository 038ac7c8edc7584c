"""Rows for jobs that have none: an older release enqueued them.

A job of a campaign that came without a sheet gets a row of its own, numbered in the order of the jobs. A retry or a
final becomes a version of the row of the job that it was made from.
"""

from __future__ import annotations

from typing import LiteralString
from uuid import UUID

from storage.campaigns.versions import VersionKind, note_version
from storage.database import Connection

_AT_ONCE = 50_000
"""Rows in one statement: it must end within the time limit of a statement, however large the campaign is."""
SOON = 1_000
"""Rows that are made while a person or the scheduler waits."""
_LACKING: LiteralString = """
SELECT coalesce((SELECT sum(n.jobs) FROM campaigns c JOIN job_counts n ON n.tenant = c.tenant AND n.campaign_id = c.id
                 WHERE c.id = %(campaign)s), 0)
     - coalesce((SELECT sum(versions) FROM row_counts WHERE campaign_id = %(campaign)s), 0)
"""
# An enqueue holds the campaign's row until its jobs and rows are stored.
_LOCK: LiteralString = "SELECT 1 FROM campaigns WHERE id = %(campaign)s FOR UPDATE SKIP LOCKED"
_UUID: LiteralString = "'^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'"
# Callers can write any metadata, so what looks like a link counts only if it leads to an older job of the campaign.
_MISSING: LiteralString = f"""
WITH missing AS (
    SELECT j.id, coalesce(
        j.draft_of,
        CASE WHEN j.metadata ->> 'retry_of' ~ {_UUID} THEN (j.metadata ->> 'retry_of')::uuid END,
        CASE WHEN j.metadata ->> 'final_of_look' ~ {_UUID} THEN (j.metadata ->> 'final_of_look')::uuid END) AS origin,
        j.draft_of IS NOT NULL OR j.metadata ? 'final_of_look' AS is_final
    FROM jobs j WHERE j.campaign_id = %(campaign)s
      AND NOT EXISTS (SELECT FROM campaign_rows r WHERE r.id = j.id)
      AND NOT EXISTS (SELECT FROM campaign_versions v WHERE v.job_id = j.id)
), linked AS (
    SELECT m.id, m.is_final, o.id AS origin
    FROM missing m LEFT JOIN jobs o ON o.id = m.origin AND o.campaign_id = %(campaign)s AND o.id < m.id
)
"""  # noqa: S608 - put together from constants
_ADD_ROWS: LiteralString = f"""
{_MISSING}
INSERT INTO campaign_rows (id, campaign_id, number, job_id)
SELECT l.id, %(campaign)s, row_number() OVER (ORDER BY l.id)
       + (SELECT coalesce(max(number), 0) FROM campaign_rows WHERE campaign_id = %(campaign)s), l.id
FROM linked l WHERE l.origin IS NULL ORDER BY l.id LIMIT %(limit)s
"""  # noqa: S608 - as above
_VERSIONS: LiteralString = f"""
{_MISSING} SELECT id, origin, is_final FROM linked WHERE origin IS NOT NULL ORDER BY id
"""  # noqa: S608 - as above


def complete(conn: Connection, campaign_id: UUID, *, most: int | None = None) -> None:
    """Make the rows that a campaign lacks, unless it lacks more than `most`. Does nothing while another session stores
    jobs of the campaign."""
    values = {"campaign": campaign_id}
    row = conn.execute(_LACKING, values).fetchone()
    lacking = 0 if row is None else int(row[0])
    if lacking <= 0 or (most is not None and lacking > most) or conn.execute(_LOCK, values).fetchone() is None:
        return
    while conn.execute(_ADD_ROWS, values | {"limit": _AT_ONCE}).rowcount == _AT_ONCE:
        pass
    for job_id, origin, is_final in conn.execute(_VERSIONS, values).fetchall():
        kind = VersionKind.FINAL if is_final else VersionKind.RETRY
        note_version(conn, campaign_id, origin, job_id, kind)
