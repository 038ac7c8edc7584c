"""Jobs that came back before and jobs that did not wait at the same place, in any order; claims tell them apart."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import pytest

from storage.admission.queue.share_walks import LOOKED_THROUGH
from storage.admission.seekers import Which
from storage.database import Connection, connect
from storage.jobs.enqueue import enqueue_jobs, new_job_id
from storage.jobs.records import NewJob
from tests.claiming import claim_of, grant_of

LEASE_S = 60.0


def enqueued(conn: Connection, count: int) -> list[UUID]:
    new = [NewJob(new_job_id(), {"prompt": "a cat"}, "h", ["anyfast"]) for _ in range(count)]
    return [item.id for item in enqueue_jobs(conn, new)]


def came_back(conn: Connection, ids: Sequence[UUID], since_s: float) -> None:
    conn.execute(
        "UPDATE jobs SET reason = 'throttled', due_at = now() - make_interval(secs => %s) WHERE id = ANY(%s)",
        [since_s, list(ids)],
    )


def claimed(conn: Connection, which: Which, slots: int = 1) -> list[UUID]:
    return [item.id for item in claim_of(conn, grant_of("a", "anyfast", slots), LEASE_S, which)]


@pytest.mark.parametrize("since_s", [60.0, -0.001], ids=["the oldest came back", "the youngest came back"])
def test_a_claim_gets_what_it_wants_from_a_place_that_holds_both(postgres_url: str, since_s: float) -> None:
    """Seen: an account that recovers overlooked all behind one that came back, and got others than it asked for."""
    with connect(postgres_url) as conn:
        ids = enqueued(conn, 6)
        conn.execute("UPDATE jobs SET due_at = now() - interval '1 s'")
        came_back(conn, ids[:3], since_s + 0.002)
        assert set(claimed(conn, Which.FRESH)) < set(ids[3:])
        assert set(claimed(conn, Which.TRIED)) < set(ids[:3])
        assert len(set(claimed(conn, Which.FRESH, 9)) & set(ids[3:])) == 2
        assert len(set(claimed(conn, Which.ANY, 9)) & set(ids[:3])) == 2


def test_jobs_that_came_back_hide_no_others_within_what_is_looked_through(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        tried = enqueued(conn, LOOKED_THROUGH - 1)
        [fresh] = enqueued(conn, 1)
        came_back(conn, tried, 60.0)
        assert claimed(conn, Which.FRESH, 9) == [fresh]
        assert claimed(conn, Which.FRESH, 9) == [], "and where all came back, nothing is found"
