"""Rows that another program wrote while triggers were off: their counts are found to be wrong, and corrected."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from uuid import UUID

import psycopg
import pytest

from storage.campaigns import controls
from storage.campaigns.failures import failures_of
from storage.database import Database, connect
from storage.reporting import count_checks, overview
from storage.reporting.costs import campaign_costs
from storage.reporting.recounts import recount_all, recount_tenant
from tests.integration.jobs.counts.kept_counts import miscounted
from tests.integration.jobs.test_jobs import a_job, enqueue
from tests.waiting import wait_for
from worker.cleaning import counts

_JOBS = """
INSERT INTO jobs (id, tenant, campaign_id, request, request_hash, gateways, state, due_at, finished_at, cost)
SELECT gen_random_uuid(), %(tenant)s, %(campaign)s, '{}', 'h', '{ark}', 'cancelled', NULL,
       now() - make_interval(secs => n), '{"currency": "CNY", "amount": 1}'
FROM generate_series(1, %(count)s) n
"""
_MESSAGES = """
INSERT INTO webhook_messages (id, tenant, type, url, target, due_at, delivered_at)
SELECT gen_random_uuid(), 'a', 'job.succeeded', 'https://a.example/', 'a.example', NULL, now()
FROM generate_series(1, 3)
"""


@pytest.fixture
def db(postgres_url: str) -> Iterator[Database]:
    database = Database(postgres_url, name="test", size=1)
    yield database
    database.close()


def write_without_triggers(url: str, sql: str, **values: object) -> None:
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("SET session_replication_role = replica")
        conn.execute(sql, values)


def campaign_of(url: str, tenant: str) -> UUID:
    with connect(url) as conn:
        return controls.ensure_campaign(conn, tenant, "spring")


def again(url: str) -> None:
    """Let the next sweep run as if time had passed."""
    with connect(url) as conn:
        conn.execute("DELETE FROM heartbeats WHERE component = 'sweep'")
        conn.execute("UPDATE count_rounds SET next_at = now()")


def test_a_sweep_corrects_what_was_loaded_without_triggers(postgres_url: str, db: Database) -> None:
    campaign = campaign_of(postgres_url, "a")
    write_without_triggers(postgres_url, _JOBS, tenant="a", campaign=campaign, count=70)
    write_without_triggers(postgres_url, _MESSAGES)
    with connect(postgres_url) as conn:
        assert count_checks.look(conn, count_checks.tenants(conn)) == ["a"]
        assert not count_checks.look_at_messages(conn)
        assert overview.counts(conn, "a") == {}
        assert failures_of(conn, campaign) == []
    assert counts.sweep_counts(db.begin) > 0
    with connect(postgres_url) as conn:
        assert miscounted(conn) == []
        assert overview.counts(conn, "a") == {"cancelled": 70}
        assert [(group.state, group.rows) for group in failures_of(conn, campaign)] == [("cancelled", 70)]
        assert [sums.reported for sums in campaign_costs(conn, "a", "spring")] == [70]
        assert count_checks.look(conn, count_checks.tenants(conn)) == []
        assert count_checks.look_at_messages(conn)
    again(postgres_url)
    assert counts.sweep_counts(db.begin) == 0


def test_the_round_finds_what_a_look_does_not_see(postgres_url: str, db: Database) -> None:
    """Some jobs of the state are counted, and others are not."""
    enqueue(postgres_url, *(a_job(str(n), tenant="b") for n in range(3)))
    write_without_triggers(postgres_url, "DELETE FROM jobs WHERE id = (SELECT id FROM jobs LIMIT 1)")
    with connect(postgres_url) as conn:
        assert count_checks.look(conn, count_checks.tenants(conn)) == []
        assert count_checks.compare(conn, "b") == (2, False)
    assert counts.sweep_counts(db.begin) == 1
    with connect(postgres_url) as conn:
        assert miscounted(conn) == []
        assert count_checks.compare(conn, "b") == (2, True)


def test_a_tenant_whose_jobs_are_all_gone_is_corrected(postgres_url: str, db: Database) -> None:
    enqueue(postgres_url, a_job("one", tenant="a"), a_job("two", tenant="b"))
    write_without_triggers(postgres_url, "DELETE FROM jobs WHERE tenant = 'b'")
    assert counts.sweep_counts(db.begin) == 1
    with connect(postgres_url) as conn:
        assert miscounted(conn) == []


def test_many_uncounted_jobs_let_a_sweep_compare_every_tenant(
    postgres_url: str, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also those of tenants that no look takes, and where nothing is counted at all."""
    monkeypatch.setattr(count_checks, "look", lambda _conn, _names: [])
    monkeypatch.setattr(counts, "_go_on", lambda _begin: pytest.fail("only the next tenants are compared"))
    write_without_triggers(postgres_url, _JOBS, tenant="z", campaign=None, count=2 * count_checks.UNCOUNTED)

    def uncounted() -> bool:
        with connect(postgres_url) as conn:  # a transaction sees the statistics of its first look
            return count_checks.many_are_uncounted(conn)

    wait_for("the statistics", uncounted)
    assert counts.sweep_counts(db.begin) > 0
    with connect(postgres_url) as conn:
        assert miscounted(conn) == []
    assert not uncounted()


def test_a_recount_of_one_tenant_leaves_the_others(postgres_url: str) -> None:
    """Also where a job and its campaign are of different tenants, which only other programs write."""
    campaign = campaign_of(postgres_url, "a")
    for tenant in "abc":
        write_without_triggers(postgres_url, _JOBS, tenant=tenant, campaign=campaign, count=2)
    with connect(postgres_url) as conn:
        recount_tenant(conn, "a")
        assert overview.counts(conn, "b") == {}
        assert [sums.reported for sums in campaign_costs(conn, "a", "spring")] == [6]
        recount_tenant(conn, "b")
        recount_tenant(conn, "c")
        assert miscounted(conn) == []


def test_counting_again_changes_nothing_that_is_right(postgres_url: str) -> None:
    enqueue(postgres_url, a_job("one", tenant="a"))
    write_without_triggers(postgres_url, _JOBS, tenant="a", campaign=None, count=3)
    with connect(postgres_url) as conn:
        assert {name for name, groups in recount_all(conn).items() if groups} == {"job_counts", "ended_sums"}
        assert set(recount_all(conn).values()) == {0}
        assert miscounted(conn) == []


def test_two_recounts_at_once_do_not_both_add_the_difference(postgres_url: str) -> None:
    write_without_triggers(postgres_url, _JOBS, tenant="a", campaign=None, count=3)
    found: list[int] = []

    def count() -> None:
        with connect(postgres_url) as conn:
            found.append(recount_all(conn)["job_counts"])

    with connect(postgres_url) as first:
        assert recount_all(first)["job_counts"] == 1
        second = threading.Thread(target=count)
        second.start()
        while not first.execute("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted").fetchone():
            assert second.is_alive()
    second.join()
    assert found == [0]


def test_a_look_reads_a_row_of_each_state_by_index_whatever_the_statistics_say(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        conn.execute(_JOBS, {"tenant": "a", "campaign": None, "count": 1})
    with connect(postgres_url) as conn:
        conn.execute("DELETE FROM jobs")
        conn.execute("ANALYZE jobs")
    with connect(postgres_url) as conn:
        conn.execute(_JOBS, {"tenant": "a", "campaign": None, "count": 3_000})
        before = _read(conn)
        assert count_checks.look(conn, count_checks.tenants(conn)) == []
        assert _read(conn) - before <= 20


def _read(conn: psycopg.Connection[tuple[object, ...]]) -> int:
    row = conn.execute(
        """SELECT coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables
           WHERE relname = 'jobs'"""
    ).fetchone()
    return 0 if row is None else int(str(row[0]))
