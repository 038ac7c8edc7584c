"""What an UPDATE changes in the kept counts of jobs is counted once for all its rows."""

from __future__ import annotations

import random
from typing import LiteralString

import psycopg
import pytest

from storage.campaigns import controls
from storage.counted.moves import COUNTS
from storage.database import Connection, connect, upgrade
from storage.jobs import claims, transitions
from storage.jobs.reasons import Reason
from storage.jobs.records import Move
from storage.jobs.states import JobState
from storage.reporting.job_counts import merge_counts
from tests.integration.jobs.counts.kept_counts import miscounted
from tests.integration.jobs.counts.test_job_counts import check
from tests.integration.jobs.migrations.test_migrations import migrate
from tests.integration.jobs.test_jobs import LEASE_S, a_job, generating

_JOBS = 12
_ROWS: LiteralString = """
INSERT INTO jobs (id, tenant, campaign_id, request, request_hash, gateways, account_pin, estimate)
SELECT gen_random_uuid(), 'a', %(campaign)s, '{}', 'h', '{anyfast,ark}', 'main',
       CASE WHEN mod(n, 3) > 0 THEN '{"currency": "CNY", "low": 1, "high": 2.5}'::jsonb END
FROM generate_series(1, %(jobs)s) n
"""
# What any program may write, whatever the rows are; each changes some of the rows that it updates, and others not.
_WRITES: tuple[LiteralString, ...] = (
    "due_at = due_at + interval '9 s', claim = claim + 1",
    "reason = CASE WHEN mod(claim, 2) = 0 THEN 'throttled' ELSE reason END, claim = claim + 1",
    """state = 'generating', due_at = now(), finished_at = NULL, account = 'main', attempt = 1,
       gateway_task_id = 'cgt-1', lane = CASE WHEN mod(claim, 3) = 0 THEN 'fast/text/4k' ELSE lane END""",
    "account = coalesce(account, 'main') || '2'",
    "state = 'queued', due_at = now(), finished_at = NULL, least_price = least_price + 1",
    """state = 'cancelled', due_at = NULL, finished_at = coalesce(finished_at, now()),
       cost = '{"currency": "CNY", "amount": 0.3}'""",
    "cost = NULL",
    """estimate = CASE WHEN estimate IS NULL
       THEN '{"currency": "USD", "low": 3, "high": 4, "basis": "list"}'::jsonb END""",
    "campaign_id = CASE WHEN campaign_id IS NULL THEN (SELECT min(id::text)::uuid FROM campaigns) END",
    "campaign_id = (SELECT max(id::text)::uuid FROM campaigns)",
    "tenant = CASE tenant WHEN 'a' THEN 'b' ELSE 'a' END",
    "id = gen_random_uuid()",
    "finished_at = finished_at - interval '2 days'",
)


def unmerged(conn: Connection) -> dict[str, int]:
    """How many rows of kept counts of jobs wait to be merged, by their table."""
    found: dict[str, int] = {}
    for kept in COUNTS:
        row = conn.execute(f"SELECT count(*) FROM {kept.table} WHERE NOT merged").fetchone()
        assert row is not None
        found[kept.table] = row[0]
    return found


def merge_all(url: str) -> None:
    with connect(url) as conn:
        merge_counts(conn)


def test_a_lease_adds_no_row_and_a_batch_of_moves_one_for_each_group(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        campaign = controls.ensure_campaign(conn, "default", "spring")
    held = generating(postgres_url, *(a_job(str(n), campaign_id=campaign) for n in range(_JOBS)))
    merge_all(postgres_url)
    with connect(postgres_url) as conn:
        assert len(claims.renew(conn, [(item.id, item.claim) for item in held], LEASE_S)) == _JOBS
        assert set(unmerged(conn).values()) == {0}
        patch = {"video_url": "https://v"}
        found = [
            Move(item.id, (JobState.GENERATING,), JobState.TRANSFERRING, Reason.GENERATED, item.claim, patch=patch)
            for item in held
        ]
        assert len(transitions.move(conn, found)) == _JOBS
        assert unmerged(conn) == {"job_counts": 2, "slot_counts": 1, "campaign_sums": 0, "ended_sums": 0}
    check(postgres_url)


@pytest.mark.parametrize("seed", range(4))
def test_sums_are_exact_after_every_statement_of_another_program(postgres_url: str, seed: int) -> None:
    chance = random.Random(seed)
    with connect(postgres_url) as conn:
        for name in ("spring", "summer"):
            conn.execute(_ROWS, {"campaign": controls.ensure_campaign(conn, "a", name), "jobs": _JOBS})
        conn.execute(_ROWS, {"campaign": None, "jobs": _JOBS})
    for _ in range(30):
        write = chance.choice(_WRITES)
        with psycopg.connect(postgres_url) as conn:
            ids = [row[0] for row in conn.execute("SELECT id FROM jobs ORDER BY id")]
            some = chance.sample(ids, chance.choice([1, 2, len(ids) // 2, len(ids)]))
            conn.execute(f"UPDATE jobs SET {write} WHERE id = ANY(%s)", [some])
            assert miscounted(conn) == [], write
    check(postgres_url)


def test_counts_are_exact_before_and_after_the_migration_and_back(empty_postgres_url: str) -> None:
    url = empty_postgres_url

    def write() -> None:
        with psycopg.connect(url) as conn:
            for change in _WRITES:
                conn.execute(f"UPDATE jobs SET {change} WHERE random() < 0.7")
                assert miscounted(conn) == [], change

    migrate(url, "0053")
    with psycopg.connect(url) as conn:
        conn.execute(_ROWS, {"campaign": None, "jobs": _JOBS})
        conn.execute("INSERT INTO campaigns (id, tenant, name) VALUES (gen_random_uuid(), 'a', 'spring')")
    write()
    upgrade(url)
    write()
    migrate(url, "0053")
    write()
    upgrade(url)
    check(url)
