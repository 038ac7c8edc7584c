"""Find kept counts that are wrong.

Triggers keep the counts, and a program can write rows without them: `session_replication_role = replica`,
`pg_restore --disable-triggers`, `ALTER TABLE … DISABLE TRIGGER`, a subscription to some of the tables.

A look reads one row of each tenant and state; it finds a state that has rows and no count, or a count and no rows. A
comparison counts all jobs of one tenant by index.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import LiteralString

from storage.database import Connection, read_in_order, reading_in_order
from storage.jobs.states import JobState

TENANTS = 1_000
"""How many tenants one look takes."""
UNCOUNTED, UNCOUNTED_SHARE = 1_000, 1.1
"""As many jobs more than are counted, by PostgreSQL's own estimate, are a reason to compare every tenant."""

# Leaps in an index, of the jobs and of the counts: a tenant may have only one of them.
_TENANTS: LiteralString = """
WITH RECURSIVE of_jobs AS (
    (SELECT tenant, 1 AS nth FROM jobs WHERE tenant > %(after)s ORDER BY tenant LIMIT 1)
    UNION ALL
    SELECT n.tenant, t.nth + 1 FROM of_jobs t CROSS JOIN LATERAL (
        SELECT tenant FROM jobs WHERE tenant > t.tenant ORDER BY tenant LIMIT 1) n
    WHERE t.nth < %(limit)s
), of_counts AS (
    (SELECT tenant, 1 AS nth FROM job_counts WHERE tenant > %(after)s ORDER BY tenant LIMIT 1)
    UNION ALL
    SELECT n.tenant, t.nth + 1 FROM of_counts t CROSS JOIN LATERAL (
        SELECT tenant FROM job_counts WHERE tenant > t.tenant ORDER BY tenant LIMIT 1) n
    WHERE t.nth < %(limit)s
)
SELECT tenant FROM of_jobs UNION SELECT tenant FROM of_counts ORDER BY tenant LIMIT %(limit)s
"""
# The first state from each on, as only one index has them in order: with old statistics, EXISTS reads every job.
_LOOK: LiteralString = """
SELECT DISTINCT t.tenant FROM unnest(%(tenants)s::text[]) AS t(tenant) CROSS JOIN unnest(%(states)s::text[]) AS s(state)
LEFT JOIN (SELECT tenant, state, sum(jobs) AS jobs FROM job_counts WHERE tenant = ANY(%(tenants)s::text[])
           GROUP BY 1, 2) c ON c.tenant = t.tenant AND c.state = s.state
WHERE coalesce((SELECT j.state = s.state FROM jobs j WHERE j.tenant = t.tenant AND j.state >= s.state
                ORDER BY j.state LIMIT 1), false) <> (coalesce(c.jobs, 0) > 0)
"""
_COMPARE: LiteralString = """
SELECT coalesce(sum(present), 0)::bigint, coalesce(bool_and(present = counted), true) FROM (
    SELECT sum(present) AS present, sum(counted) AS counted FROM (
        SELECT state, count(*) AS present, 0 AS counted FROM jobs WHERE tenant = %(tenant)s GROUP BY state
        UNION ALL
        SELECT state, 0, sum(jobs) FROM job_counts WHERE tenant = %(tenant)s GROUP BY state) both_sides
    GROUP BY state) states
"""
_ESTIMATE: LiteralString = """
SELECT pg_stat_get_live_tuples('jobs'::regclass) > (coalesce(sum(jobs), 0) + %(more)s) * %(share)s::float8
FROM job_counts
"""
# Each kind by its own index. A message that waits is pending or retrying.
_COMPARE_MESSAGES: LiteralString = """
SELECT coalesce(sum(present), 0)::bigint, coalesce(bool_and(present = counted), true) FROM (
    SELECT sum(present) AS present, sum(counted) AS counted FROM (
        SELECT 'delivered' AS kind, count(*) AS present, 0 AS counted FROM webhook_messages
        WHERE delivered_at IS NOT NULL
        UNION ALL SELECT 'dead', count(*), 0 FROM webhook_messages WHERE dead_at IS NOT NULL
        UNION ALL SELECT 'waiting', count(*), 0 FROM webhook_messages WHERE due_at IS NOT NULL
        UNION ALL
        SELECT CASE WHEN state IN ('delivered', 'dead') THEN state ELSE 'waiting' END, 0, sum(messages)
        FROM message_counts GROUP BY 1) both_sides
    GROUP BY kind) kinds
"""
_MESSAGES_LOOK: LiteralString = """
SELECT bool_or(s.rows <> (coalesce(c.messages, 0) > 0)) FROM (
    SELECT ARRAY['delivered'] AS states, coalesce((
        SELECT true FROM webhook_messages WHERE delivered_at IS NOT NULL ORDER BY delivered_at LIMIT 1), false) AS rows
    UNION ALL SELECT ARRAY['dead'], coalesce((
        SELECT true FROM webhook_messages WHERE dead_at IS NOT NULL ORDER BY dead_at LIMIT 1), false)
    UNION ALL SELECT ARRAY['pending', 'retrying'], coalesce((
        SELECT true FROM webhook_messages WHERE due_at IS NOT NULL ORDER BY due_at LIMIT 1), false)) s
LEFT JOIN LATERAL (SELECT sum(messages) AS messages FROM message_counts WHERE state = ANY(s.states)) c ON true
"""


def tenants(conn: Connection, after: str = "", limit: int = TENANTS) -> list[str]:
    """Tenants with jobs or counts, in order, behind `after`. The rest of the transaction uses indexes only."""
    read_in_order(conn)
    return [row[0] for row in conn.execute(_TENANTS, {"after": after, "limit": limit})]


def look(conn: Connection, names: list[str]) -> list[str]:
    """Those of these tenants whose counts are wrong at first sight. The rest of the transaction uses indexes only."""
    read_in_order(conn)
    return [row[0] for row in conn.execute(_LOOK, {"tenants": names, "states": list(JobState)})]


def compare(conn: Connection, tenant: str) -> tuple[int, bool]:
    """How many jobs a tenant has, by a look at each, and whether all are counted in their states."""
    return _compared(conn, _COMPARE, {"tenant": tenant})


def compare_messages(conn: Connection) -> tuple[int, bool]:
    """The same for all webhook messages."""
    return _compared(conn, _COMPARE_MESSAGES, {})


def _compared(conn: Connection, sql: LiteralString, parameters: Mapping[str, str]) -> tuple[int, bool]:
    row = conn.execute(sql, parameters).fetchone()
    return (0, True) if row is None else (row[0], row[1])


def many_are_uncounted(conn: Connection) -> bool:
    """Whether PostgreSQL's statistics know of many more jobs than are counted."""
    row = conn.execute(_ESTIMATE, {"more": UNCOUNTED, "share": UNCOUNTED_SHARE}).fetchone()
    return row is not None and bool(row[0])


def look_at_messages(conn: Connection) -> bool:
    """Whether the counts of webhook messages are right at first sight."""
    with reading_in_order(conn):
        row = conn.execute(_MESSAGES_LOOK).fetchone()
    return row is None or not row[0]
