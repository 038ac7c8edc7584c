"""What a scheduler remembers of the queue saves walks, and changes nothing but when a new kind of job is seen."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest

from storage.admission.claiming import claim
from storage.admission.queue import queue_memory
from storage.admission.queue.queue_memory import QueueMemory
from storage.campaigns import controls
from storage.database import Connection, connect
from storage.jobs.enqueue import enqueue_jobs, new_job_id
from storage.jobs.records import NewJob
from tests.claiming import grant_of
from tests.integration.admission.test_side_by_side import LEASE_S, SEEDS, fill, grants_of, limit_costs, undone
from worker.scheduling import admission
from worker.scheduling.admission import claim_for

FAST, STANDARD = "seedance-fast", "seedance"


def enqueued(conn: Connection, tenant: str, tier: str, count: int = 1, gateway: str = "anyfast") -> None:
    enqueue_jobs(
        conn,
        [NewJob(new_job_id(), {"prompt": "a", "tier": tier}, "h", [gateway], tenant) for _ in range(count)],
    )


@pytest.fixture
def known(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> QueueMemory:
    """A memory of a queue in which 70 tenants have standard jobs for anyfast, and none other."""
    monkeypatch.setattr(queue_memory, "AGE_S", 3600.0)
    memory = QueueMemory()
    with connect(postgres_url) as conn:
        for number in range(queue_memory.FEW + 6):
            enqueued(conn, f"t{number:02}", "standard")
        for _ in range(2):  # the first is in vain, so the second reads the places
            assert claimed(conn, memory, "evolink") == 0
    return memory


def claimed(conn: Connection, memory: QueueMemory, gateway: str) -> int:
    with undone(conn):
        return len(claim_for(conn, [grant_of("a", gateway, 5)], 100, LEASE_S, memory))


@pytest.mark.parametrize("walked", [queue_memory.WALKED, 1], ids=["of tenants", "and of all shares"])
def test_claims_get_the_same_with_a_memory(postgres_url: str, monkeypatch: pytest.MonkeyPatch, walked: int) -> None:
    monkeypatch.setattr(queue_memory, "WALKED", walked)
    monkeypatch.setattr(queue_memory, "FEW", 0)
    monkeypatch.setattr(queue_memory, "AGE_S", 3600.0)
    with connect(postgres_url) as conn:
        for seed in SEEDS:
            rng, memory = random.Random(seed), QueueMemory()
            with undone(conn):
                fill(conn, rng)
                limit_costs(conn, rng)
                grants, found = grants_of(rng), []
                for known in (None, memory, memory):
                    with undone(conn):
                        found.append(claim_for(conn, grants, 100, LEASE_S, known))
                assert found[0] == found[1] == found[2], f"seed {seed}"


def test_a_new_tenant_is_seen_at_once(postgres_url: str, known: QueueMemory) -> None:
    with connect(postgres_url) as conn:
        enqueued(conn, "new", "standard", gateway="evolink")
        assert claimed(conn, known, "evolink") == 1


def test_more_jobs_of_a_known_kind_are_seen_at_once(postgres_url: str, known: QueueMemory) -> None:
    with connect(postgres_url) as conn:
        enqueued(conn, "t00", "standard", 4)
        conn.execute("DELETE FROM jobs WHERE tenant <> 't00'")
        assert claimed(conn, known, "anyfast") == 5


def test_a_new_kind_of_a_known_tenant_is_seen_when_the_memory_is_too_old(
    postgres_url: str, known: QueueMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connect(postgres_url) as conn:
        enqueued(conn, "t00", "standard", gateway="evolink")
        assert claimed(conn, known, "evolink") == 0
        monkeypatch.setattr("time.monotonic", lambda: 1e15)
        assert claimed(conn, known, "evolink") == 1


def test_a_model_that_has_slots_again_is_not_held_to_what_was_known(postgres_url: str, known: QueueMemory) -> None:
    """What is in vain depends on the lanes that are closed."""
    with connect(postgres_url) as conn:
        for most, expected in (({STANDARD: 0}, 0), ({STANDARD: 0, FAST: 0}, 0), ({STANDARD: 2}, 2), ({}, 5)):
            with undone(conn):
                grant = grant_of("a", "anyfast", 5, most=most)
                assert len(claim_for(conn, [grant], 100, LEASE_S, known)) == expected


def test_a_short_queue_is_not_remembered(postgres_url: str) -> None:
    memory = QueueMemory()
    with connect(postgres_url) as conn:
        enqueued(conn, "t", "standard")
        for _ in range(2):
            assert claimed(conn, memory, "evolink") == 0
        enqueued(conn, "t", "standard", gateway="evolink")
        assert claimed(conn, memory, "evolink") == 1


def test_a_share_among_very_many_is_found_without_a_walk_over_the_others(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen: an account that can serve one of a thousand campaigns of a tenant leapt over the others in each round."""
    monkeypatch.setattr(queue_memory, "AGE_S", 3600.0)
    memory = QueueMemory()
    with connect(postgres_url) as conn:
        others = queue_memory.WALKED * 5
        for number in range(others + 1):
            campaign_id = controls.ensure_campaign(conn, "t", f"c{number:03}")
            gateway = "evolink" if number == others else "anyfast"
            enqueue_jobs(
                conn,
                [NewJob(new_job_id(), {"prompt": "a"}, "h", [gateway], "t", campaign_id) for _ in range(4)],
            )
        conn.execute("ANALYZE jobs; SET LOCAL enable_seqscan = off")  # the table is small
        [mine] = conn.execute("SELECT id FROM jobs WHERE gateways = '{evolink}' ORDER BY id LIMIT 1").fetchall()
        read = []
        for _ in range(3):
            with undone(conn):
                before = rows_read(conn)
                [item] = claim_for(conn, [grant_of("a", "evolink", 1)], 100, LEASE_S, memory)
                read.append(rows_read(conn) - before)
                assert item.id == mine[0]
        assert read[0] > others > 50 > read[2]


def rows_read(conn: Connection) -> int:
    row = conn.execute(
        "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'jobs'"
    ).fetchone()
    assert row is not None
    return int(row[0])


def test_an_account_is_dealt_no_more_than_its_models_have_slots_for_what_waits(
    postgres_url: str, known: QueueMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen: accounts with many slots, and few for the only model that jobs wait for, were dealt all jobs of a round,
    and what they could not take was dealt again."""
    grants = [grant_of("a", "anyfast", 50, most={STANDARD: 2}), grant_of("b", "anyfast", 50)]
    deals: list[int] = []

    def counted(*args: Any) -> Any:
        deals.append(1)
        return claim(*args)

    monkeypatch.setattr(admission, "claim", counted)
    with connect(postgres_url) as conn:
        for memory in (None, known):
            deals.clear()
            with undone(conn):
                found = claim_for(conn, grants, 40, LEASE_S, memory)
            assert Counter(item.account for item in found) == {"a": 2, "b": 38}
            assert len(deals) == (2 if memory is None else 1)
        enqueued(conn, "new", "fast")
        with undone(conn):
            found = claim_for(conn, grants[:1], 40, LEASE_S, known)
        assert len(found) == 2, "a kind that is not known yet waits until the memory is read again"
        monkeypatch.setattr("time.monotonic", lambda: 1e15)
        with undone(conn):
            assert len(claim_for(conn, grants[:1], 40, LEASE_S, known)) == 3
