"""Retention: delete the events of old jobs, and old jobs as a whole.

Most events go with their partition; see `storage.jobs.events.partitions`.
"""

from __future__ import annotations

from typing import LiteralString

from psycopg import sql

from storage.database import Connection, read_in_order
from storage.jobs.events import partitions

OVERDUE_S = 86400.0

# Ids begin with their creation time (UUIDv7, RFC 9562), so the old ones are at the beginning of both indexes and no
# younger row is read. A job that was stored long ago and has not ended is skipped. Jobs whose ids begin with no time
# keep their events until they are deleted.
_BEFORE: LiteralString = """
(lpad(to_hex((extract(epoch FROM now() - make_interval(secs => %(age_s)s)) * 1000)::bigint), 12, '0')
 || repeat('0', 20))::uuid
"""
_EVENTS: LiteralString = f"""
DELETE FROM {{table}} WHERE id = ANY(ARRAY(
    SELECT e.id FROM {{table}} e JOIN jobs j ON j.id = e.job_id
    WHERE e.job_id < {_BEFORE} AND j.finished_at < now() - make_interval(secs => %(age_s)s)
    ORDER BY e.job_id, e.id LIMIT %(limit)s FOR UPDATE OF e SKIP LOCKED))
"""  # noqa: S608 - put together from constants
# Each tenant's jobs by the time when they ended, as the index has them: ids of other programs may begin with no time. A
# row of a campaign lives as long as its newest job.
_JOBS: LiteralString = """
WITH RECURSIVE tenants(name) AS (
    (SELECT tenant FROM jobs ORDER BY tenant LIMIT 1)
    UNION ALL
    SELECT (SELECT j.tenant FROM jobs j WHERE j.tenant > t.name ORDER BY j.tenant LIMIT 1)
    FROM tenants t WHERE t.name IS NOT NULL
), gone AS (
DELETE FROM jobs WHERE id = ANY(ARRAY(
    SELECT old.id FROM tenants t CROSS JOIN LATERAL (
        SELECT j.id FROM jobs j
        WHERE j.tenant = t.name AND j.finished_at < now() - make_interval(secs => %(age_s)s)
          AND NOT EXISTS (SELECT FROM reservations r WHERE r.job_id = j.id) AND j.removal_due_at IS NULL
        ORDER BY j.finished_at LIMIT %(limit)s FOR UPDATE OF j SKIP LOCKED
    ) old LIMIT %(limit)s))
RETURNING id
), versions AS (
    DELETE FROM campaign_versions v USING gone g WHERE v.job_id = g.id RETURNING v.row_id
), rows AS (
    DELETE FROM campaign_rows r WHERE r.id IN (SELECT id FROM gone UNION SELECT row_id FROM versions)
      AND r.job_id IN (SELECT id FROM gone)
)
SELECT count(*) FROM gone
"""


def forget_events(conn: Connection, age_s: float, limit: int) -> int:
    """Delete events of jobs that ended more than `age_s` seconds ago, oldest jobs first; returns how many. The jobs
    stay. The rest of the transaction uses indexes only; so does `forget_jobs`.

    Only events that lie in no partition of their time, and those of a partition that should have been dropped
    `OVERDUE_S` ago: too many of its jobs still need theirs, or nothing drops partitions.
    """
    read_in_order(conn)
    row = conn.execute("SELECT now() - make_interval(secs => %s)", [age_s + OVERDUE_S]).fetchone()
    assert row is not None  # noqa: S101 - one row
    tables = [partitions.DEFAULT, *(sql.Identifier(p.name) for p in partitions.partitions(conn) if p.ends_at <= row[0])]
    count = 0
    for table in tables:
        if count < limit:
            query = sql.SQL(_EVENTS).format(table=table)
            count += conn.execute(query, {"age_s": age_s, "limit": limit - count}).rowcount
    return count


def forget_jobs(conn: Connection, age_s: float, limit: int) -> int:
    """Delete jobs that ended more than `age_s` seconds ago, with their attempts, events and messages; returns how many.

    A job stays until its cost is counted in its budget and its files, if they must be, are removed. Files of other jobs
    stay in the bucket. Rows of campaigns whose newest job is deleted are deleted with it.
    """
    read_in_order(conn)
    row = conn.execute(_JOBS, {"age_s": age_s, "limit": limit}).fetchone()
    return 0 if row is None else int(row[0])
