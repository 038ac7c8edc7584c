"""A page reads few jobs: also where all of them are in one state, and the others therefore seem to be as common; where
PostgreSQL has no statistics; and where the jobs of neighbouring ids lie in different places."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import LiteralString
from uuid import UUID

import psycopg
import pytest

from storage.campaigns.controls import ensure_campaign
from storage.database import Connection, connect
from storage.jobs import search
from storage.jobs.queries import LOOKED_AT, LOOKS, JobFilter, find_page, jobs_in_order, live_ids, page_of_jobs
from storage.jobs.states import JobState
from storage.journal.views import LOOKED_AT as PRICED
from storage.journal.views import journal_view
from storage.reporting import overview
from storage.reporting.ark_tasks import LISTED_TASKS, TaskFilter, list_tasks
from tests.servers import TestServers

JOBS, PAGE = 30_000, 20
_IN_ORDER: LiteralString = """(lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint - 100000 + n), 12, '0')
    || '7000800000000000' || lpad(n::text, 4, '0'))::uuid"""
_IN_NO_ORDER: LiteralString = "('f' || substr(md5(n::text), 2))::uuid"
_JOBS: LiteralString = """
INSERT INTO jobs (id, tenant, campaign_id, request, request_hash, gateways, state, due_at)
SELECT {id}, 'a', %s, '{{"prompt": "a market"}}', 'h', '{{ark}}', 'queued', now() FROM generate_series(1, %s) n
"""
# A tenant with a few jobs among those of another one.
_FEW: LiteralString = """
INSERT INTO jobs (id, tenant, request, request_hash, gateways, state, due_at)
SELECT ('f' || substr(md5('b' || n), 2))::uuid, 'b', '{"prompt": "a market"}', 'h', '{ark}', 'queued', now()
FROM generate_series(1, 20) n
"""
SHAPES: dict[str, tuple[LiteralString, bool]] = {
    "in order, analyzed": (_IN_ORDER, True),
    "in order, without statistics": (_IN_ORDER, False),
    "in no order, analyzed": (_IN_NO_ORDER, True),
    "in no order, without statistics": (_IN_NO_ORDER, False),
}


@dataclass(frozen=True, slots=True)
class Filled:
    """A database with `JOBS` queued jobs of a campaign, its id, and that of a job in the middle."""

    url: str
    campaign: UUID
    middle: UUID


@pytest.fixture(scope="module", params=SHAPES)
def filled(servers: TestServers, request: pytest.FixtureRequest) -> Iterator[Filled]:
    id_sql, is_analyzed = SHAPES[request.param]
    with servers.databases.database(migrated=True) as url:
        with psycopg.connect(url) as own:
            own.execute("ALTER TABLE jobs SET (autovacuum_enabled = off)")
        with connect(url) as conn:
            campaign = ensure_campaign(conn, "a", "spring")
            conn.execute(_JOBS.format(id=id_sql), [campaign, JOBS])
            conn.execute(_FEW)
            if is_analyzed:
                conn.execute("ANALYZE jobs")
            row = conn.execute("SELECT id FROM jobs WHERE tenant = 'a' ORDER BY id OFFSET %s LIMIT 1", [JOBS // 2])
            [middle] = row.fetchone() or [None]
        assert middle is not None
        yield Filled(url, campaign, middle)


def _read(conn: psycopg.Connection[tuple[object, ...]]) -> int:
    """Rows that this transaction has read, and entries of indexes."""
    row = conn.execute(
        """SELECT coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) + (
               SELECT sum(pg_stat_get_xact_tuples_returned(indexrelid)) FROM pg_index WHERE indrelid = relid)
           FROM pg_stat_xact_user_tables WHERE relname = 'jobs'"""
    ).fetchone()
    return 0 if row is None else int(str(row[0]))


A_PAGE = 20 * PAGE
"""Rows and entries of a page may be read several times, on several ways. To read all jobs is 150 times as much."""
LATELY = datetime.now(UTC) + timedelta(days=1)
Page = Callable[[Connection, Filled], Sequence[object]]
PAGES: dict[str, Page] = {
    "newest": lambda conn, _: page_of_jobs(conn, JobFilter("a"), limit=PAGE),
    "newest, further on": lambda conn, of: page_of_jobs(conn, JobFilter("a"), before=of.middle, limit=PAGE),
    "not deleted": lambda conn, _: page_of_jobs(conn, JobFilter("a", deleted=False), limit=PAGE),
    "oldest": lambda conn, _: jobs_in_order(conn, JobFilter("a"), limit=PAGE),
    "oldest, further on": lambda conn, of: jobs_in_order(conn, JobFilter("a"), after=of.middle, limit=PAGE),
    "of a campaign": lambda conn, of: page_of_jobs(
        conn, JobFilter("a", campaign="spring"), before=of.middle, limit=PAGE
    ),
    "live": lambda conn, of: live_ids(conn, of.campaign, after=of.middle, limit=PAGE),
    "search": lambda conn, of: search.find(conn, search.Search("a"), before=of.middle, limit=PAGE).ids,
    "of few jobs": lambda conn, _: page_of_jobs(conn, JobFilter("b"), limit=PAGE),
    "of few jobs, by the beginning of an id": lambda conn, _: (
        [job for digit in "0123456789abcdef" for job in search.by_id(conn, "b", f"f{digit}00", PAGE)] or [None] * PAGE
    ),
}
IN_VAIN: dict[str, tuple[Page, int]] = {
    "of a state that is rare": (lambda conn, _: page_of_jobs(conn, JobFilter("a", [JobState.FAILED])), 20),
    "held": (lambda conn, _: overview.held(conn, "b", PAGE), 20),
    "of an account": (lambda conn, _: find_page(conn, JobFilter("a", account="none")).jobs, LOOKS * LOOKED_AT),
    "of tomorrow": (lambda conn, _: find_page(conn, JobFilter("a", created_after=LATELY)).jobs, LOOKS * LOOKED_AT),
    "of words": (lambda conn, _: search.find(conn, search.Search("a", text="sea")).ids, search.LOOKED_AT),
    "of Ark's tasks": (
        lambda conn, _: list_tasks(conn, TaskFilter("a", status="succeeded"), offset=0, limit=9)[0],
        LISTED_TASKS,
    ),
}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_reads_the_jobs_of_the_page(filled: Filled, name: str) -> None:
    with connect(filled.url) as conn:
        found = PAGES[name](conn, filled)
        assert len(found) == PAGE
        assert _read(conn) <= A_PAGE


@pytest.mark.parametrize("name", IN_VAIN)
def test_a_page_of_few_jobs_or_none_reads_a_bounded_number(filled: Filled, name: str) -> None:
    run, most = IN_VAIN[name]
    with connect(filled.url) as conn:
        assert list(run(conn, filled)) == []
        assert _read(conn) <= 5 * most


def test_the_cost_of_the_queue_is_added_up_of_a_bounded_number(filled: Filled) -> None:
    with connect(filled.url) as conn:
        assert journal_view(conn).queued == JOBS + PAGE
        assert _read(conn) <= 5 * PRICED
