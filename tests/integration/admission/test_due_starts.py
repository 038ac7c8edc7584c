"""A look for due work does not read what dead jobs have left, while another transaction keeps it from being removed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import cast

import psycopg
import pytest

from storage.database import Connection, Database
from storage.jobs import claims, due_starts
from storage.jobs.due_starts import DueStarts
from storage.jobs.due_work import due_work

JOBS, ROUNDS = 200, 10
POLLS = """
INSERT INTO jobs (id, request, request_hash, gateways, lane, state, account, attempt, gateway_task_id, due_at)
SELECT gen_random_uuid(), '{}', 'h', '{anyfast}', 'fast/text/720p', 'generating', 'a', 1, 'task ' || n,
       now() + interval '1 hour'
FROM generate_series(1, %s) n
"""
POLLED = "UPDATE jobs SET due_at = now() - interval '1 minute'"
LATER = "UPDATE jobs SET due_at = now() + interval '1 hour'"
DUE = "UPDATE jobs SET due_at = now() - %s::interval WHERE gateway_task_id = %s"
BLOCKS = "SELECT pg_stat_get_xact_blocks_fetched('jobs'::regclass)::int"


@pytest.fixture
def held(postgres_url: str) -> Iterator[Database]:
    """A database whose jobs have been polled ten times since a transaction began that is still open."""
    with psycopg.connect(postgres_url, autocommit=True) as conn, psycopg.connect(postgres_url) as dump:
        conn.execute(POLLS, [JOBS])
        dump.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        dump.execute("SELECT FROM jobs")
        for _ in range(ROUNDS):
            conn.execute(POLLED)
        conn.execute(LATER)
        with closing(Database(postgres_url, name="looks", size=1)) as db:
            yield db


@pytest.fixture
def starts(held: Database, monkeypatch: pytest.MonkeyPatch) -> DueStarts:
    """Those of a scheduler that has looked twice, and takes each look for a slow one."""
    monkeypatch.setattr(due_starts, "QUICK_S", 0.0)
    monkeypatch.setattr(due_starts, "SHARE", 1e9)
    made = DueStarts()
    with held.begin() as conn:
        for _ in range(2):
            assert not due_work(conn, made).polls
    return made


def read(conn: Connection, starts: DueStarts) -> int:
    """Blocks of jobs that a look reads."""
    (before,) = cast(tuple[int], conn.execute(BLOCKS).fetchone())
    assert due_work(conn, starts).polls
    (after,) = cast(tuple[int], conn.execute(BLOCKS).fetchone())
    return after - before


def test_a_look_and_a_claim_begin_behind_what_was_left(held: Database, starts: DueStarts) -> None:
    with held.begin() as conn:
        conn.execute(DUE, ["0 s", "task 7"])
    with held.begin(planned_once=True) as conn:
        whole = read(conn, DueStarts())
        assert read(conn, starts) < whole / 5
        first = due_work(conn, starts).first_poll
        [claimed] = claims.claim_polls(conn, 10, 90.0, since=first)
        assert claimed.account == "a"


def test_what_became_due_before_is_found_by_the_next_look_from_the_beginning(
    held: Database, starts: DueStarts, monkeypatch: pytest.MonkeyPatch
) -> None:
    with held.begin() as conn:
        conn.execute(DUE, ["1 hour", "task 7"])
        assert not due_work(conn, starts).polls
        monkeypatch.setattr("time.monotonic", lambda: 1e15)
        assert due_work(conn, starts).polls


def test_looks_that_are_quick_begin_at_the_beginning(held: Database) -> None:
    quick = DueStarts()
    with held.begin() as conn:
        for _ in range(3):
            assert not due_work(conn, quick).polls
        conn.execute(DUE, ["1 hour", "task 7"])
        assert due_work(conn, quick).polls
