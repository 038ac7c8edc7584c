"""Kept counts are those of the rows, whatever is written and merged at the same time."""

from __future__ import annotations

import threading

from storage.campaigns import controls
from storage.database import connect
from storage.jobs import claims, transitions
from storage.jobs.deletion.retention import forget_jobs
from storage.jobs.reasons import Reason
from storage.jobs.records import Move
from storage.jobs.states import JobState
from storage.reporting import overview
from storage.reporting.job_counts import all_counts, counts_of_campaigns, counts_of_tenant, merge_counts
from tests.integration.jobs.kept_counts import MISCOUNTED
from tests.integration.jobs.test_jobs import a_job, claim, enqueue, generating

# An id that begins with an early time.
_OLD = """
INSERT INTO jobs (id, tenant, request, request_hash, gateways, state, due_at, finished_at, reason)
VALUES ('01800000-0000-7000-8000-000000000000', 'b', '{}', 'h', '{anyfast}', 'cancelled', NULL,
        now() - interval '8 days', 'cancelled')
"""


def check(url: str) -> None:
    """The kept counts agree with the rows, before and after a merge, and a second merge has nothing to do."""
    with connect(url) as conn:
        assert conn.execute(MISCOUNTED).fetchall() == []
        merge_counts(conn)
        assert conn.execute(MISCOUNTED).fetchall() == []
        assert merge_counts(conn) == 0


def test_counts_follow_jobs_of_two_tenants_from_enqueue_to_retention(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        campaign = controls.ensure_campaign(conn, "a", "spring")
    ids = enqueue(postgres_url, *(a_job(str(n), tenant="a", campaign_id=campaign) for n in range(5)))
    enqueue(postgres_url, a_job("b", tenant="b"), a_job("c", tenant="b"))
    check(postgres_url)
    with connect(postgres_url) as conn:
        claims.postpone_queued(conn, ids[:2], 60.0, Reason.THROTTLED)
        transitions.move(conn, [Move(ids[4], (JobState.QUEUED,), JobState.CANCELLED, Reason.CANCELLED)])
        assert all_counts(conn) == {("queued", "enqueued"): 4, ("queued", "throttled"): 2, ("cancelled", ""): 1}
        assert counts_of_tenant(conn, "a") == {"queued": 4, "cancelled": 1}
        assert counts_of_tenant(conn, "b") == {"queued": 2}
        assert counts_of_campaigns(conn, [campaign]) == {campaign: {"queued": 4, "cancelled": 1}}
    check(postgres_url)
    with connect(postgres_url) as conn:
        conn.execute(_OLD)
        assert forget_jobs(conn, 7 * 86400.0, 100) == 1
    check(postgres_url)


def test_counts_of_a_rolled_back_transaction_do_not_stay(postgres_url: str) -> None:
    enqueue(postgres_url, a_job("stays"))
    with connect(postgres_url) as conn:
        enqueued = overview.counts(conn, "default")
        claim(conn)
        conn.execute("DELETE FROM jobs")
        assert overview.counts(conn, "default") == {}
        conn.execute("ROLLBACK")
    with connect(postgres_url) as conn:
        assert overview.counts(conn, "default") == enqueued == {JobState.QUEUED: 1}


def test_two_schedulers_merge_while_jobs_are_written(postgres_url: str) -> None:
    stop = threading.Event()
    merged = [0, 0]
    failures: list[BaseException] = []

    def merge(which: int) -> None:
        try:
            while not stop.is_set():
                with connect(postgres_url) as conn:
                    merged[which] += merge_counts(conn)
        except Exception as exc:  # noqa: BLE001 - the test checks every failure
            failures.append(exc)

    threads = [threading.Thread(target=merge, args=[which]) for which in range(2)]
    for thread in threads:
        thread.start()
    try:
        for number in range(10):
            generating(postgres_url, *(a_job(f"{number} {n}", tenant=tenant) for n in range(3) for tenant in "ab"))
            with connect(postgres_url) as conn:
                assert conn.execute(MISCOUNTED).fetchall() == []
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert failures == []
    check(postgres_url)
    with connect(postgres_url) as conn:
        merge_counts(conn)
        assert counts_of_tenant(conn, "a") == counts_of_tenant(conn, "b") == {"generating": 30}
