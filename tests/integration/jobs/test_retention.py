"""Retention: rows that ended longer ago than configured are deleted; all others stay."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import pytest

from storage.database import Connection, connect
from storage.jobs import transitions
from storage.jobs.enqueue import enqueue_jobs, new_job_id
from storage.jobs.reasons import Reason
from storage.jobs.records import Move, NewJob
from storage.jobs.states import JobState
from storage.settings import Settings
from worker.scheduling import retention
from worker.scheduling.retention import what_is_long_over

DAY_MS = 86_400_000


@pytest.fixture
def conn(postgres_url: str) -> Iterator[Connection]:
    with connect(postgres_url) as conn:
        yield conn


def a_job(conn: Connection, age_days: float, *, ended: bool = True) -> UUID:
    """A job that was stored, and by default ended, `age_days` ago; with events and an attempt."""
    fresh = new_job_id()
    job_id = UUID(int=fresh.int - (int(age_days * DAY_MS) << 80))
    enqueue_jobs(conn, [NewJob(job_id, {"prompt": "a cat"}, "h", ["anyfast"], idempotency_key=str(job_id))])
    conn.execute("INSERT INTO attempts (job_id, number, account, model) VALUES (%s, 1, 'a', 'm')", [job_id])
    if ended:
        assert transitions.move(conn, [Move(job_id, (JobState.QUEUED,), JobState.CANCELLED, Reason.CANCELLED)])
        sql = "UPDATE jobs SET finished_at = now() - make_interval(secs => %s) WHERE id = %s"
        conn.execute(sql, [age_days * 86400.0, job_id])
    return job_id


def left(conn: Connection, table: str = "jobs", column: str = "id") -> set[UUID]:
    return {row[0] for row in conn.execute(f"SELECT {column} FROM {table}")}


def test_everything_is_kept_by_default(conn: Connection) -> None:
    old = a_job(conn, 3000)
    assert what_is_long_over(conn, Settings()) == 0
    assert left(conn) == {old}


def test_old_jobs_are_deleted_with_their_attempts_and_events(conn: Connection) -> None:
    a_job(conn, 40)
    young, running = a_job(conn, 20), a_job(conn, 40, ended=False)
    assert what_is_long_over(conn, Settings(keep_jobs_days=30)) == 1
    for table, column in (("jobs", "id"), ("attempts", "job_id"), ("job_events", "job_id")):
        assert left(conn, table, column) == {young, running}, table


def test_jobs_of_other_programs_are_deleted_whatever_their_ids_are(conn: Connection) -> None:
    young = a_job(conn, 20)
    conn.execute(
        """INSERT INTO jobs (id, tenant, request, request_hash, gateways, state, due_at, finished_at)
           SELECT id::uuid, 't' || n % 3, '{}', 'h', '{ark}', 'cancelled', NULL, now() - interval '40 days'
           FROM (VALUES ('00000000-0000-0000-0000-000000000001', 0), ('ffffffff-ffff-4fff-bfff-ffffffffffff', 1),
                        ('7b0e63a3-0000-4000-8000-000000000000', 2), ('a2f4d9c0-0000-4000-8000-000000000000', 3)
           ) v(id, n)"""
    )
    assert what_is_long_over(conn, Settings(keep_jobs_days=30)) == 4
    assert left(conn) == {young}


def test_an_old_job_that_has_just_ended_is_kept(conn: Connection) -> None:
    job_id = a_job(conn, 40)
    conn.execute("UPDATE jobs SET finished_at = now() WHERE id = %s", [job_id])
    assert what_is_long_over(conn, Settings(keep_jobs_days=30, keep_events_days=30)) == 0
    assert left(conn) == left(conn, "job_events", "job_id") == {job_id}


def test_events_may_be_deleted_before_their_jobs(conn: Connection) -> None:
    old, older, young, running = a_job(conn, 40), a_job(conn, 80), a_job(conn, 20), a_job(conn, 40, ended=False)
    assert what_is_long_over(conn, Settings(keep_events_days=30, keep_jobs_days=60)) == 3
    assert left(conn) == {old, young, running}
    assert left(conn, "job_events", "job_id") == {young, running}
    assert left(conn, "attempts", "job_id") == {old, young, running}
    assert older not in left(conn)


def test_a_job_with_a_reservation_is_kept(conn: Connection) -> None:
    job_id = a_job(conn, 40)
    conn.execute(
        """INSERT INTO reservations (job_id, attempt, tenant, campaign_id, currency, amount)
           VALUES (%s, 1, 'default', %s, 'USD', 1)""",
        [job_id, UUID(int=0)],
    )
    assert what_is_long_over(conn, Settings(keep_jobs_days=30)) == 0
    assert left(conn) == {job_id}


def test_deletion_is_limited_and_begins_with_the_oldest(conn: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "JOBS", 2)
    ages = {days: a_job(conn, days) for days in (50, 70, 60, 80)}
    settings = Settings(keep_jobs_days=30)
    assert what_is_long_over(conn, settings) == 2
    assert left(conn) == {ages[50], ages[60]}
    assert what_is_long_over(conn, settings) == 2
    assert what_is_long_over(conn, settings) == 0


def test_two_schedulers_do_not_wait_for_each_other(conn: Connection, postgres_url: str) -> None:
    for days in (40, 50):
        a_job(conn, days)
    conn.commit()
    conn.execute("BEGIN")
    conn.execute("SELECT id FROM jobs ORDER BY id LIMIT 1 FOR UPDATE")
    with connect(postgres_url) as other:
        other.execute("SET lock_timeout = '60s'")
        assert what_is_long_over(other, Settings(keep_jobs_days=30)) == 1


@pytest.mark.parametrize("key", ["keep_jobs_days", "keep_events_days"])
def test_retention_below_two_days_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="greater than or equal to 2"):
        Settings.model_validate({key: 1})
