"""Two tenants with videos: copies of one do not delay those of the other."""

from __future__ import annotations

from storage.database import connect
from storage.jobs import claims
from storage.jobs.playable_copies import claim_copies
from tests.integration.jobs.test_jobs import LEASE_S, a_job, generating

_TRANSFERRING = """
UPDATE jobs SET state = 'transferring', video_url = 'https://x.example/v.mp4', generated_at = now() - interval '1 h',
                due_at = now(), video_expires_at = now() + make_interval(mins => %(minutes)s)
WHERE tenant = %(tenant)s
"""
_WANTED = """
INSERT INTO playable_copies (job_id, due_at)
SELECT id, now() - CASE WHEN tenant = 'a' THEN interval '1 h' ELSE interval '0' END FROM jobs
"""


def test_an_urgent_video_is_not_delayed_by_many_of_another_tenant(postgres_url: str) -> None:
    generating(postgres_url, *(a_job(str(number), tenant="a") for number in range(60)))
    [urgent] = generating(postgres_url, a_job("urgent", tenant="b"))
    with connect(postgres_url) as conn:
        conn.execute(_TRANSFERRING, {"tenant": "a", "minutes": 600})
        conn.execute(_TRANSFERRING, {"tenant": "b", "minutes": 5})
        assert [item.id for item in claims.claim_transfers(conn, 20, LEASE_S, urgent=True)] == [urgent.id]
        assert len(claims.claim_transfers(conn, 20, LEASE_S)) == 20


def test_copies_for_browsers_are_made_for_tenants_in_turn(postgres_url: str) -> None:
    many = generating(postgres_url, *(a_job(str(number), tenant="a") for number in range(20)))
    [other] = generating(postgres_url, a_job("other", tenant="b"))
    with connect(postgres_url) as conn:
        conn.execute(_WANTED)
        first = {item.id for item in claim_copies(conn, 2, LEASE_S)}
        assert other.id in first and len(first - {item.id for item in many}) == 1
        assert claim_copies(conn, 2, LEASE_S) == []
        assert len(claim_copies(conn, 5, LEASE_S)) == 3
