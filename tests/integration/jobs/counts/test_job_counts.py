"""Kept counts are those of the rows, whatever is written and merged at the same time."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import LiteralString

import psycopg
import pytest

from storage.admission import usage
from storage.campaigns import controls
from storage.counted.campaigns import CAMPAIGN_SUMS
from storage.database import connect, upgrade
from storage.jobs import claims, transitions
from storage.jobs.deletion.retention import forget_jobs
from storage.jobs.reasons import Reason
from storage.jobs.records import Move
from storage.jobs.states import JobState
from storage.merging import merge_sql
from storage.reporting import overview
from storage.reporting.costs import campaign_costs, recent_costs
from storage.reporting.job_counts import all_counts, counts_of_campaigns, counts_of_tenant, merge_counts
from storage.reporting.recounts import recount_slots
from storage.reporting.waiting import WaitingJobs, waiting_in_campaign
from tests.integration.jobs.counts.kept_counts import miscounted
from tests.integration.jobs.migrations.test_migrations import migrate
from tests.integration.jobs.test_jobs import a_job, claim, enqueue, generating
from tests.waiting import PATIENCE_S, wait_for

# An id that begins with an early time.
_OLD = """
INSERT INTO jobs (id, tenant, request, request_hash, gateways, state, due_at, finished_at, reason)
VALUES ('01800000-0000-7000-8000-000000000000', 'b', '{}', 'h', '{anyfast}', 'cancelled', NULL,
        now() - interval '8 days', 'cancelled')
"""


# What another program may write: nothing of it may stop its statement.
_STRANGE = """
INSERT INTO jobs (id, tenant, campaign_id, request, request_hash, gateways, state, due_at, finished_at, estimate, cost,
                  account_pin, least_price, price_currency)
SELECT gen_random_uuid(), 'a', %(campaign)s, '{}', 'h', '{anyfast,ark}', state, due_at, finished_at, estimate, cost,
       'main', 1.50, 'CNY'
FROM (VALUES
    ('queued', now(), NULL::timestamptz, NULL::jsonb, NULL::jsonb),
    ('queued', now(), NULL, 'null', 'null'),
    ('queued', now(), NULL, '{"currency": "CNY", "low": "much", "high": 2}', '{"amount": []}'),
    ('queued', now(), NULL, '{"low": 1, "high": "more"}', '7'),
    ('cancelled', NULL, 'infinity', '{"currency": "CNY", "low": 1, "high": 2, "basis": "list"}', NULL),
    ('cancelled', NULL, now(), '{"currency": "CNY", "low": 1, "high": 2}', '{"currency": "CNY", "amount": 1.5}'),
    ('cancelled', NULL, now(), '{"currency": "CNY", "low": 4, "high": 5}', '{"currency": "USD", "amount": 0.1}')
) AS v(state, due_at, finished_at, estimate, cost)
"""

_WAITING = """SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE 'TRUNCATE%%'"""


def check(url: str) -> None:
    """The kept counts agree with the rows, before and after a merge, and a second merge has nothing to do."""
    with connect(url) as conn:
        assert miscounted(conn) == []
        merge_counts(conn)
        assert miscounted(conn) == []
        assert merge_counts(conn) == 0


def test_a_merge_looks_each_group_up_even_if_statistics_know_no_merged_row(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        conn.execute(
            """INSERT INTO campaign_sums (campaign_id, kind, labels, jobs, low, high, amount)
            SELECT gen_random_uuid(), 'ended', ARRAY['succeeded', n::text], 1, 0, 0, 0
            FROM generate_series(1, 5000) n"""
        )
        conn.execute("ANALYZE campaign_sums")
        sql = merge_sql("campaign_sums", CAMPAIGN_SUMS.keys, *CAMPAIGN_SUMS.numbers)
        plan = "\n".join(line for (line,) in conn.execute("EXPLAIN " + sql, {"limit": 500}))
    assert "campaign_sums_group_idx" in plan, plan


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
                assert miscounted(conn) == []
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert failures == []
    check(postgres_url)
    with connect(postgres_url) as conn:
        merge_counts(conn)
        assert counts_of_tenant(conn, "a") == counts_of_tenant(conn, "b") == {"generating": 30}


def test_sums_of_a_campaign_follow_what_another_program_writes(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        campaign = controls.ensure_campaign(conn, "a", "spring")
        conn.execute(_STRANGE, {"campaign": campaign})
        yuan, dollars = (sums.as_dict() for sums in campaign_costs(conn, "a", "spring") if sums.currency)
        assert yuan == {
            "currency": "CNY",
            "estimated_jobs": 3,
            "estimated_low": 6,
            "estimated_high": 9,
            "by_list_price": 1,
            "reported_jobs": 1,
            "reported": 1.5,
            "compared": 1.5,
            "compared_low": 1,
            "compared_high": 2,
            "drift": 0,
        }
        assert (dollars["estimated_jobs"], dollars["reported_jobs"], dollars["compared"]) == (0, 1, 0)
        assert waiting_in_campaign(conn, campaign) == [WaitingJobs("main", ["anyfast", "ark"], "", None, 4)]
    check(postgres_url)
    with connect(postgres_url) as conn:
        conn.execute("UPDATE jobs SET estimate = NULL, least_price = 9, lane = 'fast/text/' WHERE state = 'queued'")
        conn.execute("UPDATE jobs SET account = 'main' WHERE id = (SELECT id FROM jobs WHERE state = 'queued' LIMIT 1)")
        assert [(group.lane, group.jobs) for group in waiting_in_campaign(conn, campaign)] == [("fast/text/", 3)]
    check(postgres_url)
    with connect(postgres_url) as conn:
        conn.execute("UPDATE jobs SET campaign_id = NULL WHERE state = 'cancelled'")
        conn.execute("DELETE FROM jobs WHERE state = 'queued'")
        assert campaign_costs(conn, "a", "spring") == []
    check(postgres_url)


def test_long_campaigns_show_when_their_jobs_ended(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        campaign = controls.ensure_campaign(conn, "a", "spring")
        conn.execute(
            """INSERT INTO jobs (id, tenant, campaign_id, request, request_hash, gateways, state, due_at, finished_at)
               SELECT gen_random_uuid(), 'a', %s, '{}', 'h', '{ark}', 'cancelled', NULL,
                      to_timestamp(1000 * 3600 + n * 600 + n %% 7)
               FROM generate_series(0, 599) n""",
            [campaign],
        )
        rate = overview.finished_in_campaign(conn, campaign, (2, 60, 300, 3600, 3 * 3600), 60)
        assert rate is not None
        assert (rate.start, rate.step_s) == (999 * 3600.0, 3 * 3600)
        assert [piece["cancelled"] for piece in rate.pieces] == [12, *[18] * 32, 12]
    check(postgres_url)


@pytest.mark.parametrize("statement", ["TRUNCATE jobs CASCADE", "TRUNCATE webhook_messages, jobs CASCADE"])
def test_no_count_is_left_of_jobs_that_are_truncated_during_a_merge(
    postgres_url: str, statement: LiteralString
) -> None:
    enqueue(postgres_url, *(a_job(str(n)) for n in range(3)))

    def truncate() -> None:
        with connect(postgres_url) as conn:
            conn.execute("SET LOCAL lock_timeout = 0")
            conn.execute(statement)

    def is_waiting() -> bool | None:
        with connect(postgres_url) as conn:
            return conn.execute(_WAITING).fetchone() == (1,) or None

    with ThreadPoolExecutor(1) as pool:
        with connect(postgres_url) as conn:
            assert merge_counts(conn) > 0
            truncating = pool.submit(truncate)
            wait_for("the TRUNCATE to wait for the merge", is_waiting)
        truncating.result(PATIENCE_S)
    check(postgres_url)


def test_counts_follow_a_program_whose_search_path_does_not_lead_to_the_tables(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as conn:
        conn.execute("CREATE SCHEMA other")
        conn.execute("CREATE TABLE other.job_counts (LIKE public.job_counts)")
        for path in ("", '"$user", other'):
            conn.execute("SELECT set_config('search_path', %s, false)", [path])
            conn.execute(
                """INSERT INTO public.jobs (id, request, request_hash, gateways)
                   SELECT gen_random_uuid(), '{}', 'h', '{ark}' FROM generate_series(1, 3)"""
            )
            conn.execute("UPDATE public.jobs SET reason = 'throttled'")
            conn.execute("DELETE FROM public.jobs WHERE id = (SELECT min(id::text)::uuid FROM public.jobs)")
            assert conn.execute("SHOW search_path").fetchone() == (path,)
        assert conn.execute("SELECT count(*) FROM other.job_counts").fetchone() == (0,)
    with connect(postgres_url) as conn:
        assert counts_of_tenant(conn, "default") == {"queued": 4}
    check(postgres_url)


def test_an_upgrade_replaces_the_functions_of_the_counts(empty_postgres_url: str) -> None:
    migrate(empty_postgres_url, "0044")
    source = "SELECT prosrc FROM pg_proc WHERE proname = 'job_counts_clear'"
    with connect(empty_postgres_url) as conn:
        conn.execute(
            """CREATE OR REPLACE FUNCTION job_counts_clear() RETURNS trigger LANGUAGE plpgsql AS
               $$ BEGIN DELETE FROM job_counts; RETURN NULL; END $$"""
        )
    upgrade(empty_postgres_url)
    with connect(empty_postgres_url) as conn:
        row = conn.execute(source).fetchone()
    assert row is not None
    assert "LOCK TABLE job_counts" in row[0]


def test_sums_of_a_tenant_follow_what_another_program_writes(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        campaign = controls.ensure_campaign(conn, "a", "spring")
        conn.execute(_STRANGE, {"campaign": campaign})
        yuan, dollars = (sums.as_dict() for sums in recent_costs(conn, "a", 60.0) if sums.currency)
        assert (yuan["estimated_jobs"], yuan["estimated_low"], yuan["estimated_high"]) == (2, 5, 7)
        assert (yuan["reported"], yuan["compared"], yuan["compared_low"], yuan["compared_high"]) == (1.5, 1.5, 1, 2)
        assert (dollars["estimated_jobs"], dollars["reported_jobs"], dollars["compared"]) == (0, 1, 0)
        assert recent_costs(conn, "b", 60.0) == []
        rate = overview.finished_lately(conn, "a", 1800, 48)
        assert sum(piece.get("cancelled", 0) for piece in rate.pieces) == 2
    check(postgres_url)
    with connect(postgres_url) as conn:
        conn.execute(
            "UPDATE jobs SET finished_at = finished_at - interval '2 days', cost = NULL WHERE state = 'cancelled'"
        )
        assert recent_costs(conn, "a", 60.0) == []
        assert [sums.reported_jobs for sums in recent_costs(conn, "a", 3 * 86_400.0)] == [0]
    check(postgres_url)
    with connect(postgres_url) as conn:
        conn.execute("DELETE FROM jobs WHERE state = 'cancelled'")
        assert recent_costs(conn, "a", 3 * 86_400.0) == []
    check(postgres_url)


def test_slots_in_use_are_right_again_after_a_session_without_triggers(postgres_url: str) -> None:
    held = generating(postgres_url, a_job("a"), a_job("b"))
    with connect(postgres_url) as conn:
        (lane,) = usage.slots_in_use(conn, 60.0)["main"]
        assert usage.slots_in_use(conn, 60.0) == {"main": {lane: usage.Usage(2, generating=2)}}
        conn.execute("SET LOCAL session_replication_role = replica")
        conn.execute("UPDATE jobs SET account = 'other' WHERE id = %s", [held[0].id])
        conn.execute("SET LOCAL session_replication_role = origin")
    with connect(postgres_url) as conn:
        assert recount_slots(conn) == 2
        with connect(postgres_url) as another:
            assert recount_slots(another) == 0, "two at once would add the correction twice"
    with connect(postgres_url) as conn:
        assert recount_slots(conn) == 0
        assert miscounted(conn) == []
        found = usage.slots_in_use(conn, 60.0)
    assert found == {"main": {lane: usage.Usage(1, generating=1)}, "other": {lane: usage.Usage(1, generating=1)}}


def test_slots_in_use_follow_rows_that_other_programs_write(postgres_url: str) -> None:
    held = generating(postgres_url, *(a_job(str(n)) for n in range(4)))
    with connect(postgres_url) as conn:
        (lane,) = usage.slots_in_use(conn, 60.0)["main"]
        conn.execute("UPDATE jobs SET lane = 'fast/text/4k' WHERE id = %s", [held[0].id])
        conn.execute("UPDATE jobs SET state = 'transferring', video_url = 'https://v' WHERE id = %s", [held[1].id])
        conn.execute("DELETE FROM jobs WHERE id = %s", [held[2].id])
        found = {of_lane: used.generating for of_lane, used in usage.slots_in_use(conn, 60.0)["main"].items()}
        assert found == {lane: 1, "fast/text/4k": 1}
    check(postgres_url)
    with connect(postgres_url) as conn:
        conn.execute("TRUNCATE jobs CASCADE")
        assert usage.slots_in_use(conn, 60.0) == {}
