"""Kept counts of jobs by tenant, campaign, state and reason: exact at every moment, however many jobs there are.

Each change of `jobs` adds rows to `job_counts` in its own transaction and updates none, so counting makes no
transaction wait for another. The scheduler merges the rows of each group.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import LiteralString
from uuid import UUID

from storage.counted.ahead import KEPT_COUNTS
from storage.database import Connection
from storage.merging import merge, merge_sql

# In the order in which a TRUNCATE of `jobs` locks the tables, by the names of its triggers.
_MERGES = tuple(
    merge_sql(kept.table, kept.keys, *kept.numbers) for kept in sorted(KEPT_COUNTS, key=lambda kept: kept.table)
)
_ALL: LiteralString = "SELECT state, reason, sum(jobs)::bigint FROM job_counts GROUP BY 1, 2 HAVING sum(jobs) <> 0"
_OF_TENANT: LiteralString = """
SELECT state, sum(jobs)::bigint FROM job_counts WHERE tenant = %(tenant)s GROUP BY state HAVING sum(jobs) <> 0
"""
# With their tenants, which lead to the rows by index.
_OF_CAMPAIGNS: LiteralString = """
SELECT c.id, n.state, sum(n.jobs)::bigint FROM campaigns c
JOIN job_counts n ON n.tenant = c.tenant AND n.campaign_id = c.id
WHERE c.id = ANY(%(ids)s) GROUP BY 1, 2 HAVING sum(n.jobs) <> 0
"""


def merge_counts(conn: Connection) -> int:
    """Merge the newest changes of all kept counts of `storage.counted`, a limited number of each at a time; returns how
    many."""
    return sum(merge(conn, sql) for sql in _MERGES)


def all_counts(conn: Connection) -> dict[tuple[str, str], int]:
    """How many jobs of all tenants there are, by state and reason; the reason of jobs that have ended is empty."""
    return {(state, reason): number for state, reason, number in conn.execute(_ALL)}


def counts_of_tenant(conn: Connection, tenant: str) -> dict[str, int]:
    """How many jobs of a tenant are in each state; states without jobs are missing."""
    return dict(conn.execute(_OF_TENANT, {"tenant": tenant}).fetchall())


def counts_of_campaigns(conn: Connection, ids: Sequence[UUID]) -> dict[UUID, dict[str, int]]:
    """The same for each of these campaigns; campaigns without jobs are missing."""
    found: dict[UUID, dict[str, int]] = {}
    for campaign, state, number in conn.execute(_OF_CAMPAIGNS, {"ids": list(ids)}):
        found.setdefault(campaign, {})[state] = number
    return found
