"""A tenant with very many campaigns that no account can serve now is not walked over for each account."""

from __future__ import annotations

from contextlib import closing

import pytest

from storage.admission.queue import queue_memory
from storage.admission.queue.queue_memory import QueueMemory
from storage.database import Connection, Database, connect
from tests.claiming import grant_of
from tests.integration.admission.test_side_by_side import LEASE_S
from tests.integration.admission.test_very_many_tenants import READ
from worker.scheduling.admission import claim_for

CAMPAIGNS, ACCOUNTS = 3_000, 20
JOBS = """
WITH made AS (
    INSERT INTO campaigns (id, tenant, name) SELECT gen_random_uuid(), 'one', n::text FROM generate_series(1, %s) n
    RETURNING id
)
INSERT INTO jobs (id, tenant, campaign_id, request, request_hash, gateways, lane)
SELECT gen_random_uuid(), 'one', id, '{"prompt": "a"}', 'h', '{fal}', 'standard/text/720p' FROM made
"""


@pytest.fixture
def filled(postgres_url: str) -> str:
    with connect(postgres_url) as conn:
        conn.execute(JOBS, [CAMPAIGNS])
    return postgres_url


def read_by_a_round(conn: Connection, memory: QueueMemory) -> int:
    grants = [grant_of(f"a{number}", "anyfast", 2) for number in range(ACCOUNTS)]
    (before,) = conn.execute(READ).fetchone() or (0,)
    assert claim_for(conn, grants, 100, LEASE_S, memory) == []
    (after,) = conn.execute(READ).fetchone() or (0,)
    return int(after - before)


def test_the_places_are_read_once_for_all_accounts(filled: str) -> None:
    with closing(Database(filled, name="claims", size=1)) as db, db.begin(planned_once=True) as conn:
        memory = QueueMemory(at_once=True)
        assert read_by_a_round(conn, memory) <= 2.1 * CAMPAIGNS
        assert read_by_a_round(conn, memory) <= 20


def test_what_took_long_to_read_is_remembered_for_longer(filled: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_memory, "AGE_S", 0.0)
    monkeypatch.setattr(queue_memory, "READING", 10_000)
    with closing(Database(filled, name="claims", size=1)) as db, db.begin(planned_once=True) as conn:
        memory = QueueMemory(at_once=True)
        read_by_a_round(conn, memory)
        assert read_by_a_round(conn, memory) <= 20
