"""Timelines in partitions: every reader sees the same rows, no insert fails, and retention drops what nothing needs."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import psycopg
import pytest

from storage import database
from storage.database import Connection, Database, LocksHeld, connect
from storage.jobs import history
from storage.jobs.enqueue import new_job_id
from storage.jobs.events import log, partitions
from storage.jobs.events.partitions import Partition, id_at
from storage.settings import Settings
from tests.integration.jobs.migrations.test_migrations import migrate
from tests.integration.jobs.test_retention import a_job
from tests.waiting import PATIENCE_S
from worker.cleaning import timelines
from worker.scheduling.retention import what_is_long_over

WHERE = "SELECT tableoid::regclass::text FROM job_events WHERE job_id = %s ORDER BY id"
GUARDS = "SELECT count(*) FROM pg_constraint WHERE conname = 'without_next'"


@pytest.fixture
def db(postgres_url: str) -> Iterator[Database]:
    db = Database(postgres_url, name="test", size=3)
    yield db
    db.close()


@pytest.fixture(params=["small", "proved"])
def default(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A default partition that PostgreSQL reads when another is attached, and one that is too large for that."""
    if request.param == "proved":
        monkeypatch.setattr(partitions, "_SMALL_PAGES", -1)


def around(days_ago: float, days: int = 2) -> Partition:
    """A partition with the ids of that time."""
    middle = datetime.now(UTC) - timedelta(days=days_ago)
    low, high = middle - timedelta(days=days / 2), middle + timedelta(days=days / 2)
    return Partition(f"job_events_{days_ago:.0f}_days_ago", id_at(low), id_at(high))


def places(conn: Connection, job_id: UUID) -> set[str]:
    return {row[0] for row in conn.execute(WHERE, [job_id])}


@pytest.mark.usefixtures("default")
def test_a_new_partition_takes_over_what_the_default_one_has_of_it(db: Database) -> None:
    with db.begin() as conn:
        start = log.position_now(conn)
        jobs = [a_job(conn, 0), a_job(conn, 40), a_job(conn, 0)]
        before = [history.events_of(conn, job_id) for job_id in jobs]
    today = around(0)
    partitions.create(db.begin, today)
    partitions.create(db.begin, today)  # as two workers do at once
    with db.begin() as conn:
        assert partitions.partitions(conn) == [today]
        assert [places(conn, job_id) for job_id in jobs] == [{today.name}, {"job_events_default"}, {today.name}]
        assert [history.events_of(conn, job_id) for job_id in jobs] == before
        read = log.EventLog(start).read(conn)
        assert [event["id"] for event, _ in read] == sorted(event["id"] for events in before for event in events)
        newest = history.last_event(conn)
        assert history.events_of(conn, a_job(conn, 0))[0]["id"] > newest
        assert conn.execute(GUARDS).fetchone() == (0,)


def test_processes_that_prove_the_same_partition_do_not_fail(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partitions, "_SMALL_PAGES", -1)

    def make(partition: Partition, together: threading.Barrier) -> None:
        together.wait(PATIENCE_S)
        with suppress(LocksHeld):  # the next sweep tries again
            partitions.create(db.begin, partition)

    with ThreadPoolExecutor(3) as pool:
        for days_ago in range(0, 40, 4):
            partition, together = around(days_ago), threading.Barrier(3)
            for done in [pool.submit(make, partition, together) for _ in range(3)]:
                done.result(PATIENCE_S)
    with db.begin() as conn:
        assert conn.execute(GUARDS).fetchone() == (0,)


@pytest.mark.usefixtures("default")
def test_a_partition_is_not_made_while_a_writer_holds_its_lock(db: Database) -> None:
    today = around(0)
    with db.begin() as writer:
        job_id = a_job(writer, 0)
        with pytest.raises(LocksHeld):
            partitions.create(db.begin, today)
    with db.begin() as conn:
        assert partitions.partitions(conn) == []
        assert places(conn, job_id) == {"job_events_default"}
    partitions.create(db.begin, today)
    with db.begin() as conn:
        assert places(conn, job_id) == {today.name}
        assert conn.execute(GUARDS).fetchone() == (0,)


def test_partitions_that_a_wrong_clock_has_made_do_not_stand_for_those_of_the_next_days(db: Database) -> None:
    far = around(-365)
    partitions.create(db.begin, far)
    assert timelines.make_ahead(db.begin, Settings(keep_events_days=30)) > 0
    with db.begin() as conn:
        near = {partition.name for partition in partitions.partitions(conn)} - {far.name}
        assert places(conn, a_job(conn, -2)) <= near


def test_retention_drops_a_partition_and_keeps_what_is_needed(db: Database) -> None:
    settings = Settings(keep_events_days=30)
    month = around(40, days=4)
    with db.begin() as conn:
        ended, running, late = a_job(conn, 40), a_job(conn, 40, ended=False), a_job(conn, 41)
        conn.execute("UPDATE jobs SET finished_at = now() WHERE id = %s", [late])
        kept = [history.events_of(conn, job_id) for job_id in (running, late)]
    partitions.create(db.begin, month)
    with db.begin() as conn:
        assert what_is_long_over(conn, settings) == 2  # nothing has dropped it for a day: the rows go
        assert history.events_of(conn, ended) == []
    assert timelines.drop_old(db.begin, Settings(keep_events_days=60)) == 0
    assert timelines.drop_old(db.begin, settings) == 1
    with db.begin() as conn:
        assert partitions.partitions(conn) == []
        assert [history.events_of(conn, job_id) for job_id in (running, late)] == kept
        assert places(conn, running) == {"job_events_default"}


def test_two_that_drop_the_same_partition_do_not_disturb_each_other(db: Database) -> None:
    month = around(40)
    partitions.create(db.begin, month)
    with db.begin() as slow:
        slow.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        assert partitions.partitions(slow) == [month]
        assert partitions.drop(db.begin, month, None)
        assert partitions.partitions(slow) == []  # its row is seen, and its bounds are not there any more
    assert not partitions.drop(db.begin, month, None)


def test_rows_of_a_partition_that_is_about_to_be_dropped_are_not_deleted_one_by_one(db: Database) -> None:
    partitions.create(db.begin, around(30.5 + 1, days=2))
    with db.begin() as conn:
        job_id = a_job(conn, 31)
        assert what_is_long_over(conn, Settings(keep_events_days=30)) == 0
    assert timelines.drop_old(db.begin, Settings(keep_events_days=30)) == 1
    with db.begin() as conn:
        assert history.events_of(conn, job_id) == []
        assert conn.execute("SELECT count(*) FROM jobs").fetchone() == (1,)


def test_a_partition_that_many_jobs_need_stays(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partitions, "MOST_KEPT", 0)
    partitions.create(db.begin, around(40))
    with db.begin() as conn:
        running = a_job(conn, 40, ended=False)
    assert timelines.drop_old(db.begin, Settings(keep_events_days=30)) == 0
    with db.begin() as conn:
        assert len(history.events_of(conn, running)) == 1


def test_timelines_go_with_their_jobs_where_only_these_are_deleted(db: Database) -> None:
    settings = Settings(keep_jobs_days=30)
    partitions.create(db.begin, around(40))
    with db.begin() as conn:
        a_job(conn, 40)
        counted = a_job(conn, 40)
        conn.execute("UPDATE jobs SET removal_due_at = now() WHERE id = %s", [counted])
        assert what_is_long_over(conn, settings) == 1
    assert timelines.drop_old(db.begin, settings) == 1
    with db.begin() as conn:
        assert conn.execute("SELECT array_agg(DISTINCT job_id) FROM job_events").fetchone() == ([counted],)


@pytest.mark.parametrize(("keep", "days"), [(None, 30), (7.0, 1), (90.0, 3), (2000.0, 30)])
def test_a_sweep_makes_partitions_ahead(db: Database, keep: float | None, days: int) -> None:
    settings = Settings(keep_events_days=keep)
    timelines.sweep_timelines(db.begin, settings)
    with db.begin() as conn:
        made = partitions.partitions(conn)
        in_two_days = datetime.now(UTC) + timedelta(days=2)
        assert made[-1].ends_at >= in_two_days
        assert all(partition.high == after.low for partition, after in itertools.pairwise(made))
        assert {partition.ends_at - partitions.time_of(partition.low) for partition in made} == {timedelta(days=days)}
        assert partitions.next_partition(conn, days) is None
        # Ids of other programs and of clocks that are wrong have their place.
        strange = [uuid4(), UUID(int=0), id_at(in_two_days + timedelta(days=4000)), new_job_id()]
        for job_id in strange:
            conn.execute(
                "INSERT INTO jobs (id, request, request_hash, gateways) VALUES (%s, '{}', 'h', '{anyfast}')", [job_id]
            )
            conn.execute("INSERT INTO job_events (job_id, target, reason) VALUES (%s, 'queued', 'x')", [job_id])
            assert len(history.events_of(conn, job_id)) == 1
        conn.execute("DELETE FROM jobs")
        assert conn.execute("SELECT count(*) FROM job_events").fetchone() == (0,)
    assert timelines.make_ahead(db.begin, settings) == 0


def test_an_upgrade_takes_over_the_timelines_as_they_are(empty_postgres_url: str) -> None:
    url = empty_postgres_url
    migrate(url, "0043")
    with psycopg.connect(url) as conn:
        conn.execute(
            """INSERT INTO jobs (id, request, request_hash, gateways)
               SELECT gen_random_uuid(), '{}', 'h', '{anyfast}' FROM generate_series(1, 20)"""
        )
        conn.execute("INSERT INTO job_events (job_id, target, reason) SELECT id, 'queued', 'x' FROM jobs")
        before = conn.execute("SELECT * FROM job_events ORDER BY id").fetchall()
        conn.execute("INSERT INTO job_events (job_id, target, reason) SELECT id, 'queued', 'y' FROM jobs")
        file = conn.execute("SELECT pg_relation_filenode('job_events')").fetchone()
        conn.execute("DELETE FROM job_events WHERE reason = 'y'")  # their numbers were given out
    database.upgrade(url)
    with connect(url) as conn:
        assert conn.execute("SELECT * FROM job_events ORDER BY id").fetchall() == before
        assert conn.execute("SELECT pg_relation_filenode('job_events_default')").fetchone() == file
        assert history.events_of(conn, a_job(conn, 0))[0]["id"] > 40
        count = conn.execute("SELECT count(*) FROM job_events").fetchone()
    migrate(url, "0043")
    with psycopg.connect(url) as conn:
        assert conn.execute("SELECT count(*) FROM job_events").fetchone() == count
    migrate(url, "0044")
