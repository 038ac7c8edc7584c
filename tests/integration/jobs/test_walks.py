"""A page reads few jobs, also where all of them are in one state, and the others therefore seem to be as common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from uuid import UUID

import psycopg
import pytest

from storage.database import Connection, connect
from storage.jobs import search
from storage.jobs.queries import JobFilter, jobs_in_order, live_ids, page_of_jobs
from tests.integration.jobs.counts.test_wrong_counts import campaign_of

JOBS, PAGE = 5_000, 20
MOST = 12 * PAGE
"""Rows of jobs that a page may read: those of the page, by several ways."""
_JOBS = """
INSERT INTO jobs (id, tenant, campaign_id, request, request_hash, gateways, state, due_at)
SELECT (lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint - 100000 + n), 12, '0') || '7000800000000000'
        || lpad(n::text, 4, '0'))::uuid,
       'a', %s, '{"prompt": "a market"}', 'h', '{ark}', 'queued', now()
FROM generate_series(1, %s) n
"""


def _read(conn: psycopg.Connection[tuple[object, ...]]) -> int:
    row = conn.execute(
        """SELECT coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables
           WHERE relname = 'jobs'"""
    ).fetchone()
    return 0 if row is None else int(str(row[0]))


PAGES: dict[str, Callable[[Connection, UUID, UUID], Sequence[object]]] = {
    "newest": lambda conn, _, __: page_of_jobs(conn, JobFilter("a"), limit=PAGE),
    "newest, further on": lambda conn, _, at: page_of_jobs(conn, JobFilter("a"), before=at, limit=PAGE),
    "oldest": lambda conn, _, __: jobs_in_order(conn, JobFilter("a"), limit=PAGE),
    "oldest, further on": lambda conn, _, at: jobs_in_order(conn, JobFilter("a"), after=at, limit=PAGE),
    "of a campaign": lambda conn, _, at: page_of_jobs(conn, JobFilter("a", campaign="spring"), before=at, limit=PAGE),
    "live": lambda conn, campaign, at: live_ids(conn, campaign, after=at, limit=PAGE),
    "search": lambda conn, _, at: search.find(conn, search.Search("a"), before=at, limit=PAGE).ids,
}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_reads_the_jobs_of_the_page(postgres_url: str, name: str) -> None:
    campaign = campaign_of(postgres_url, "a")
    with connect(postgres_url) as conn:
        conn.execute(_JOBS, [campaign, JOBS])
        conn.execute("ANALYZE jobs")
    with connect(postgres_url) as conn:
        row = conn.execute("SELECT id FROM jobs ORDER BY id OFFSET %s LIMIT 1", [JOBS // 2]).fetchone()
        assert row is not None
        middle = row[0]
    with connect(postgres_url) as conn:
        found = PAGES[name](conn, campaign, middle)
        assert len(found) == PAGE
        assert _read(conn) <= MOST
