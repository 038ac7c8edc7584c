"""A worker reads the rows of its batches, however many there are, also by plans that were made for a small table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from simulator.main import SimulatorOptions, running
from storage.database import Connection, Database, Limits
from storage.settings import Settings
from tests.integration.submitting.rounds import World
from tests.waiting import wait_for

BATCH = 8
FILLED = 4_000
READ_A_JOB = 80
"""Rows of the large tables that are read for a job, in all of its life."""
_READ = """SELECT relname, coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables
           WHERE relname IN ('jobs', 'attempts')"""
# They have ended long ago, and no statistics tell of them.
_FILL_JOBS = """
INSERT INTO jobs SELECT (jsonb_populate_record(j, jsonb_build_object(
    'id', gen_random_uuid(), 'gateway_task_id', gen_random_uuid(), 'idempotency_key', NULL))).*
FROM (SELECT j FROM jobs j WHERE state = 'succeeded' LIMIT 1) one CROSS JOIN generate_series(1, %s)
"""
_FILL_ATTEMPTS = """
INSERT INTO attempts SELECT (jsonb_populate_record(a, jsonb_build_object(
    'job_id', j.id, 'gateway_task_id', j.gateway_task_id))).*
FROM (SELECT a FROM attempts a LIMIT 1) one CROSS JOIN jobs j
WHERE NOT EXISTS (SELECT FROM attempts WHERE job_id = j.id)
"""


@pytest.fixture
def world(settings: Settings) -> Iterator[World]:
    with running(SimulatorOptions(median_seconds=0.2, seed=5, video_bytes=100_000)) as url:
        main = {"gateway": "anyfast", "base_url": f"{url}/anyfast"}
        quick = settings.model_copy(update={"allow_private_networks": True, "poll_min_seconds": 0.1})
        made = World(quick, main=main)
        yield made
        made.close()


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """By table: rows that transactions read whose statements are planned once."""
    found = Counter[str]()
    begin = Database.begin

    @contextmanager
    def counted(
        database: Database, *, planned_once: bool = False, limits: Limits | None = None
    ) -> Iterator[Connection]:
        with begin(database, planned_once=planned_once, limits=limits) as conn:
            before = dict(conn.execute(_READ).fetchall())  # with what the last second's transactions have read
            yield conn
            if planned_once:
                found.update({name: count - before.get(name, 0) for name, count in conn.execute(_READ)})

    monkeypatch.setattr(Database, "begin", counted)
    return found


def live(world: World) -> None:
    """Take a batch from its submits to its copies."""
    ended = world.states()["succeeded"]
    world.enqueue(BATCH)
    assert world.round() == BATCH

    def generated() -> bool:
        world.poll()
        return world.states()["transferring"] == BATCH

    wait_for("the videos", generated)
    world.transfer()
    assert world.states()["succeeded"] == ended + BATCH


def test_plans_that_were_made_for_a_small_table_read_few_rows_of_a_large_one(world: World, read: Counter[str]) -> None:
    live(world)
    with world.begin() as conn:
        conn.execute("ANALYZE jobs, attempts, job_events")  # so all is planned again
    live(world)
    with world.begin() as conn:
        assert conn.execute(_FILL_JOBS, [FILLED]).rowcount == FILLED
        conn.execute(_FILL_ATTEMPTS)
    read.clear()
    live(world)
    assert 0 < read["jobs"] + read["attempts"] < BATCH * READ_A_JOB
