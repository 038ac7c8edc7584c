"""One tenant has nearly all jobs, beside very many small ones: a plan for all tenants expects a few jobs of each."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import cast
from uuid import UUID

import psycopg
import pytest

from storage.database import Connection, Database
from storage.jobs import queries
from storage.jobs.events.small_jobs import small_jobs

JOBS = """
INSERT INTO jobs (id, tenant, request, request_hash, gateways, idempotency_key)
SELECT gen_random_uuid(), CASE WHEN n <= 20000 THEN 'large' ELSE 't' || n END, '{"prompt": "a"}', 'h', '{anyfast}', n
FROM generate_series(1, 22000) n
"""
ENTRIES = """SELECT sum(pg_stat_get_xact_tuples_returned(indexrelid))::int FROM pg_index
             WHERE indrelid = 'jobs'::regclass"""
LOOKS: dict[str, Callable[[Connection, list[UUID]], object]] = {
    "jobs by their ids": lambda conn, ids: queries.get_jobs(conn, "large", ids),
    "those that were unsuccessful": lambda conn, ids: queries.unsuccessful_of(conn, "large", ids, 10),
    "their states": lambda conn, ids: queries.counts_of(conn, "large", ids),
    "whether they have finished": lambda conn, ids: queries.unfinished_of(conn, "large", ids, held_is_finished=True),
    "jobs of messages": lambda conn, ids: small_jobs(conn, ids, ["large"]),
}


@pytest.mark.parametrize("look", LOOKS)
def test_jobs_that_are_known_by_id_are_read_alone(postgres_url: str, look: str) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as conn:
        conn.execute(JOBS)
        conn.execute("VACUUM ANALYZE jobs")
    with closing(Database(postgres_url, name="looks", size=1)) as db, db.begin() as conn:
        conn.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        conn.prepare_threshold = 0
        ids = [row[0] for row in conn.execute("SELECT id FROM jobs WHERE tenant = 'large' ORDER BY id LIMIT 3")]
        before = _entries(conn)
        LOOKS[look](conn, ids)
        assert _entries(conn) - before <= 20


def _entries(conn: Connection) -> int:
    return cast(tuple[int], conn.execute(ENTRIES).fetchone())[0] or 0


@pytest.mark.parametrize("every", [600, 2], ids=["rare", "frequent"])
def test_a_list_by_a_tag_does_not_read_all_that_the_tenant_has(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, every: int
) -> None:
    monkeypatch.setattr(queries, "LOOKED_AT", 100)
    with psycopg.connect(postgres_url, autocommit=True) as conn:
        conn.execute(JOBS)
        conn.execute("UPDATE jobs SET tags = '{a,b}' WHERE idempotency_key::int %% %s = 0", [every])
        conn.execute("VACUUM ANALYZE jobs")
        sql = "SELECT id FROM jobs WHERE tenant = 'large' AND 'b' = ANY(tags) ORDER BY id DESC LIMIT 25"
        wanted = [row[0] for row in conn.execute(sql)]
    with closing(Database(postgres_url, name="lists", size=1)) as db, db.begin() as conn:
        before, found = _entries(conn), list[UUID]()
        while len(found) < 25:
            page = queries.page_of_jobs(
                conn, queries.JobFilter("large", tags=["b"]), before=found[-1] if found else None, limit=10
            )
            found += [job.id for job in page]
        assert found[:25] == wanted
        assert _entries(conn) - before <= 3 * (2 * queries.LOOKED_AT + 100)
