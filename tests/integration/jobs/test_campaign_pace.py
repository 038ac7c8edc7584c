"""The start, the quiet hours and the number of jobs at once of a campaign, in the claim, against a real PostgreSQL."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from storage.admission import campaign_pace
from storage.admission.quiet_hours import QuietHours
from storage.campaigns import controls
from storage.campaigns.rows import RowFilter, find_rows
from storage.campaigns.sheets import NewRow, add_rows
from storage.database import Connection, Database, connect
from storage.jobs import queries, transitions
from storage.jobs.enqueue import enqueue_jobs, new_job_id
from storage.jobs.reasons import Reason
from storage.jobs.records import Move, NewJob
from storage.jobs.states import JobState
from tests.claiming import claim_submits

S = JobState
HOUR = timedelta(hours=1)


def now() -> datetime:
    return datetime.now(UTC)


def enqueue(conn: Connection, count: int, campaign: UUID | None, tenant: str = "default", **more: Any) -> list[UUID]:
    new = [NewJob(new_job_id(), {"prompt": "a"}, "h", ["anyfast"], tenant, campaign, **more) for _ in range(count)]
    return [item.id for item in enqueue_jobs(conn, new)]


def claim(conn: Connection, limit: int = 100, account: str = "main", lease_s: float = 60.0) -> list[UUID]:
    return [item.id for item in claim_submits(conn, account, "anyfast", limit, lease_s)]


def by_name(conn: Connection, ids: list[UUID]) -> Mapping[str, int]:
    rows = conn.execute(
        """SELECT coalesce(c.name, j.tenant) FROM jobs j LEFT JOIN campaigns c ON c.id = j.campaign_id
           WHERE j.id = ANY(%s)""",
        [ids],
    )
    return Counter(row[0] for row in rows)


def quiet_now(minutes: int = 30) -> QuietHours:
    """Hours that began a while ago and end in `minutes`, in UTC."""
    begins, ends = now() - timedelta(minutes=30), now() + timedelta(minutes=minutes)
    return QuietHours.parse(f"{begins:%H:%M}-{ends:%H:%M}", "UTC")


def test_nothing_is_claimed_before_the_start_and_others_go_on(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        later = controls.ensure_campaign(conn, "default", "later")
        ids = enqueue(conn, 3, later)
        enqueue(conn, 2, controls.ensure_campaign(conn, "default", "other"))
        enqueue(conn, 2, controls.ensure_campaign(conn, "acme", "later"), "acme")
        campaign_pace.set_start(conn, later, now() + HOUR)
        assert by_name(conn, claim(conn)) == {"other": 2, "later": 2}, "acme's campaign of that name goes on"
        assert campaign_pace.pace_of(conn, later).hold == ("before_start", campaign_pace.pace_of(conn, later).start_at)
        assert {job.reason for job in queries.get_jobs(conn, "default", ids).values()} == {"before_start"}
        campaign_pace.set_start(conn, later, now() - HOUR)
        assert set(claim(conn)) == set(ids)
        assert campaign_pace.pace_of(conn, later).hold is None


def test_quiet_hours_hold_new_submits_only_and_are_renewed(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        spring = controls.ensure_campaign(conn, "default", "spring")
        ids = enqueue(conn, 3, spring)
        [running] = claim(conn, 1)
        move = Move(running, (S.QUEUED,), S.SUBMITTING, Reason.SUBMIT, due_in_s=60, patch={"account": "main"})
        transitions.move(conn, [move])
        campaign_pace.set_quiet_hours(conn, spring, quiet_now())
        others = enqueue(conn, 1, controls.ensure_campaign(conn, "acme", "spring"), "acme")
        assert claim(conn) == others
        code, until = campaign_pace.pace_of(conn, spring).hold or ("", now())
        assert code == "quiet_hours" and timedelta(0) < until - now() <= HOUR
        views = queries.get_jobs(conn, "default", ids)
        assert [views[i].reason for i in ids] == ["submit", "quiet_hours", "quiet_hours"]
        add_rows(conn, spring, [NewRow(i, number, "", None, b"[]", "h", True) for number, i in enumerate(ids, 2)])
        found = find_rows(conn, spring, RowFilter(reasons=["quiet_hours"]))
        assert [row.number for row in found] == [3, 4], "a decision can choose them"
        assert campaign_pace.renew_quiet_hours(conn) == 0, "they are not over"

        conn.execute(
            """UPDATE campaigns SET quiet_begins_at = now() - interval '9 h', quiet_ends_at = now() - interval '1 s'
               WHERE quiet_hours IS NOT NULL"""
        )
        assert len(claim(conn, 1)) == 1, "they are over"
        assert campaign_pace.renew_quiet_hours(conn) == 1
        assert campaign_pace.renew_quiet_hours(conn) == 0
        assert claim(conn) == [], "the next ones have begun"
        campaign_pace.set_quiet_hours(conn, spring, None)
        assert len(claim(conn)) == 1


def test_a_time_zone_that_is_gone_keeps_the_hours(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        spring = controls.ensure_campaign(conn, "default", "spring")
        campaign_pace.set_quiet_hours(conn, spring, quiet_now())
        conn.execute(
            """UPDATE campaigns SET quiet_zone = 'Gone/Gone', quiet_begins_at = now() - interval '49 h',
               quiet_ends_at = now() - interval '40 h'"""
        )
        assert campaign_pace.renew_quiet_hours(conn) == 1
        row = conn.execute("SELECT quiet_ends_at - now() FROM campaigns").fetchone()
        assert row is not None and row[0] == timedelta(hours=8)


def test_a_campaign_has_at_most_its_number_of_jobs_at_gateways(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        spring = controls.ensure_campaign(conn, "default", "spring")
        campaign_pace.set_max_concurrent(conn, spring, 3)
        enqueue(conn, 4, spring, priority=9)
        enqueue(conn, 4, spring, account_pin="main")
        enqueue(conn, 4, spring)
        enqueue(conn, 2, controls.ensure_campaign(conn, "default", "other"))
        enqueue(conn, 2, None, "acme")
        first = claim(conn, 2)
        assert by_name(conn, first) in ({"spring": 2}, {"spring": 1, "acme": 1}), "its highest priority first"
        rest = claim(conn)
        assert by_name(conn, [*first, *rest]) == {"spring": 3, "other": 2, "acme": 2}
        assert claim(conn, account="other") == [], "accounts count together"
        pace = campaign_pace.pace_of(conn, spring)
        assert (pace.in_use, pace.max_concurrent, pace.is_full) == (3, 3, True)

        mine = [
            i for i in [*first, *rest] if queries.get_jobs(conn, "default", [i]) and by_name(conn, [i]) == {"spring": 1}
        ]
        path = ((S.QUEUED, S.SUBMITTING, Reason.SUBMIT), (S.SUBMITTING, S.UNCONFIRMED, Reason.OUTCOME_UNKNOWN))
        for source, target, reason in path:
            patch = {"account": "main"}
            moves = [Move(i, (source,), target, reason, due_in_s=60, patch=patch) for i in mine]
            assert len(transitions.move(conn, moves)) == 3
            assert claim(conn) == [], target
        conn.execute("UPDATE jobs SET updated_at = now() - interval '5 min' WHERE id = %s", [mine[0]])
        assert len(claim(conn)) == 1, "an old doubt holds no place"
        campaign_pace.set_max_concurrent(conn, spring, 5)
        assert len(claim(conn)) == 2
        campaign_pace.set_max_concurrent(conn, spring, None)
        assert len(claim(conn)) == 6


def test_full_campaigns_do_not_hide_others_of_their_tenant(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        for number in range(5):
            campaign = controls.ensure_campaign(conn, "default", f"full-{number}")
            campaign_pace.set_max_concurrent(conn, campaign, 1)
            enqueue(conn, 3, campaign)
        assert len(claim(conn)) == 5
        enqueue(conn, 3, controls.ensure_campaign(conn, "default", "zzz"))
        assert by_name(conn, claim(conn, 1)) == {"zzz": 1}


@pytest.mark.parametrize("most", [1, 7])
def test_twenty_schedulers_never_exceed_the_number(postgres_url: str, most: int) -> None:
    """Jobs end all the time, and the number is both kept and used."""
    with connect(postgres_url) as conn:
        spring = controls.ensure_campaign(conn, "default", "spring")
        campaign_pace.set_max_concurrent(conn, spring, most)
        enqueue(conn, 60, spring)
        enqueue(conn, 40, controls.ensure_campaign(conn, "acme", "spring"), "acme")
    database = Database(postgres_url, name="test", size=20)
    start, claimed, seen = threading.Barrier(20), list[UUID](), list[int]()

    def schedule(number: int) -> None:
        start.wait()
        for _ in range(8):
            with database.begin() as conn:
                got = claim(conn, 3, f"account-{number % 4}")
            with database.begin() as conn:
                pace = campaign_pace.pace_of(conn, spring)
                seen.append(pace.in_use or 0)
                transitions.move(conn, [Move(i, (S.QUEUED,), S.CANCELLED, Reason.CANCELLED) for i in got])
            claimed.extend(got)

    threads = [threading.Thread(target=schedule, args=[number]) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    database.close()
    assert len(seen) == 160 and max(seen) <= most
    assert len(claimed) == len(set(claimed))
    with connect(postgres_url) as conn:
        mine = queries.get_jobs(conn, "default", claimed)
    assert len(mine) > most, "places that become free are used"
    assert len(claimed) - len(mine) == 40, "the other tenant's campaign has no limit"
