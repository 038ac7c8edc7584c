"""Ends of jobs are counted by five minutes at first and by the day in the end; readers see no difference."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import pytest

from storage.campaigns import controls
from storage.database import Connection, Database, connect
from storage.reporting import overview, rollups
from storage.reporting.costs import recent_costs
from storage.reporting.job_counts import merge_counts
from tests.integration.jobs.counts.kept_counts import miscounted
from worker.cleaning import counts

_STEPS = (60, 300, 3600, 3 * 3600, 86_400)
# On today and each of the 39 days before, jobs that end 15 minutes apart around noon.
_JOBS = """
INSERT INTO jobs (id, tenant, campaign_id, request, request_hash, gateways, state, due_at, finished_at, cost)
SELECT gen_random_uuid(), 'a', %(campaign)s, '{}', 'h', '{ark}', 'cancelled', NULL,
       date_trunc('day', now(), 'UTC') + interval '12 hours' + make_interval(days => -day, mins => 15 * n),
       '{"currency": "CNY", "amount": 1}'
FROM generate_series(0, 39) day, generate_series(1, 12) n
"""
# As they were written when the jobs ended.
_AS_THEN = (
    """DELETE FROM campaign_sums WHERE kind = 'ended'""",
    """INSERT INTO campaign_sums (campaign_id, kind, labels, jobs, low, high, amount, merged)
       SELECT campaign_id, 'ended', ARRAY[state, floor(extract(epoch FROM finished_at) / 300)::text], 1, 0, 0, 0, true
       FROM jobs""",
    """CREATE TEMP TABLE short ON COMMIT DROP AS
       SELECT tenant, to_timestamp(floor(extract(epoch FROM finished_at) / 600) * 600) AS ended FROM jobs""",
    """INSERT INTO ended_sums (tenant, ended, labels, jobs, low, high, amount, merged)
       SELECT s.tenant, s.ended, e.labels, 1, 0, 0, 1, true
       FROM short s, (SELECT labels FROM ended_sums LIMIT 1) e""",
    "DELETE FROM ended_sums WHERE id <= %(last)s",
)


@pytest.fixture
def campaign(postgres_url: str) -> UUID:
    """A campaign of 480 ended jobs, whose ends are counted as they were written when the jobs ended."""
    with connect(postgres_url) as conn:
        campaign = controls.ensure_campaign(conn, "a", "spring")
        conn.execute(_JOBS, {"campaign": campaign})
        while merge_counts(conn):
            pass
        last = conn.execute("SELECT max(id) FROM ended_sums").fetchone()
        for sql in _AS_THEN:
            conn.execute(sql, {"last": last[0] if last else 0})
    return campaign


@pytest.fixture
def db(postgres_url: str) -> Iterator[Database]:
    database = Database(postgres_url, name="test", size=1)
    yield database
    database.close()


def rows_of(conn: Connection) -> tuple[int, int]:
    row = conn.execute("SELECT (SELECT count(*) FROM campaign_sums WHERE kind = 'ended'), count(*) FROM ended_sums")
    found = row.fetchone()
    assert found is not None
    return found[0], found[1]


def test_old_ends_are_added_up_and_readers_see_no_difference(
    postgres_url: str, campaign: UUID, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overview, "FEW", 0)
    with connect(postgres_url) as conn:
        assert miscounted(conn) == []
        assert rows_of(conn) == (480, 480)
        chart = overview.finished_in_campaign(conn, campaign, _STEPS, 60)
        assert chart is not None
        assert (chart.step_s, [piece["cancelled"] for piece in chart.pieces]) == (86_400, [12] * 40)
        costs = recent_costs(conn, "a", 50 * 86_400.0)
    counts.sweep_counts(db.begin)
    with connect(postgres_url) as conn:
        # 12 quarters of an hour lie in 4 hours; today's and yesterday's stay as they are, and so do a week's for costs.
        assert rows_of(conn) == (2 * 12 + 7 * 4 + 31, 9 * 12 + 31)
        assert miscounted(conn) == []
        assert overview.finished_in_campaign(conn, campaign, _STEPS, 60) == chart
        assert recent_costs(conn, "a", 50 * 86_400.0) == costs
        assert merge_counts(conn) == 0
        for kept in rollups.AGEING:
            assert rollups.roll_up(conn, kept, 0).rewritten == 0


def test_counts_of_old_ends_go_with_their_jobs_whether_they_were_added_up_or_not(
    postgres_url: str, campaign: UUID, db: Database
) -> None:
    with connect(postgres_url) as conn:
        conn.execute("DELETE FROM jobs WHERE finished_at < now() - interval '20 days'")
        assert miscounted(conn) == []
    counts.sweep_counts(db.begin)
    with connect(postgres_url) as conn:
        conn.execute("DELETE FROM jobs")
        assert overview.finished_in_campaign(conn, campaign, _STEPS, 60) is None
        while merge_counts(conn):
            pass
        assert rows_of(conn) == (0, 0)


def test_a_few_jobs_of_long_ago_are_shown_by_the_minute(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        campaign = controls.ensure_campaign(conn, "a", "spring")
        conn.execute(
            """INSERT INTO jobs (id, tenant, campaign_id, request, request_hash, gateways, state, due_at, finished_at)
               SELECT gen_random_uuid(), 'a', %s, '{}', 'h', '{ark}', 'cancelled', NULL, to_timestamp(6000000 + n * 60)
               FROM generate_series(0, 29) n""",
            [campaign],
        )
        rate = overview.finished_in_campaign(conn, campaign, _STEPS, 60)
    assert rate is not None
    assert (rate.step_s, [piece["cancelled"] for piece in rate.pieces]) == (60, [1] * 30)
