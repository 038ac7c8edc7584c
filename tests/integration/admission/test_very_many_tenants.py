"""Of very many tenants that wait, a round looks at a part; all get their turns. The rows are counted, not the time."""

from __future__ import annotations

from contextlib import closing
from uuid import UUID

import pytest

from seedance.account import Account
from storage.admission.grants import Grant
from storage.admission.queue import window
from storage.admission.queue.queue_memory import QueueMemory
from storage.configuration.account_book import Serves
from storage.database import Connection, Database, connect
from tests.claiming import grant_of
from tests.integration.admission.test_side_by_side import LEASE_S, undone
from worker.scheduling.admission import claim_for

TENANTS = 3_000
JOBS = """
INSERT INTO jobs (id, tenant, request, request_hash, gateways, lane, priority)
SELECT gen_random_uuid(), 't' || n, '{"prompt": "a"}', 'h', '{anyfast}', 'standard/text/720p', p
FROM generate_series(1, %s) n, unnest(%s::int[]) p
"""
TURNS = """
INSERT INTO account_turns (account, tenant, campaign, pin, served_at)
SELECT 'a' || a, 'before ' || n, gen_random_uuid(), '', now() FROM generate_series(1, 5000) n, generate_series(0, 4) a
"""
READ = """SELECT sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0))::int FROM pg_stat_xact_user_tables
          WHERE relname IN ('jobs', 'account_turns')"""


def tenants_of(conn: Connection, ids: list[UUID]) -> list[str]:
    return [row[0] for row in conn.execute("SELECT tenant FROM jobs WHERE id = ANY(%s)", [ids])]


def read_by_a_round(conn: Connection, grants: list[Grant]) -> int:
    (before,) = conn.execute(READ).fetchone() or (0,)
    assert len(claim_for(conn, grants, 100, LEASE_S)) == sum(grant.slots for grant in grants)
    (after,) = conn.execute(READ).fetchone() or (0,)
    return int(after - before)


def test_a_round_reads_as_many_rows_of_very_many_tenants_as_of_some(postgres_url: str) -> None:
    grants = [grant_of(f"a{number}", "anyfast", 2) for number in range(5)]
    read = {}
    with closing(Database(postgres_url, name="claims", size=1)) as db:
        for count in (window.TENANTS, TENANTS):
            with db.begin(planned_once=True) as conn:
                conn.execute(JOBS, [count, [5]])
                conn.execute(TURNS)
                conn.execute("ANALYZE jobs, account_turns")
                read[count] = read_by_a_round(conn, grants)
                conn.execute("ROLLBACK")
    assert read[TENANTS] <= 1.2 * read[window.TENANTS]
    assert read[TENANTS] <= 10 * window.TENANTS


def test_all_tenants_are_served_and_each_at_its_highest_priority_first(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(window, "TENANTS", 20)
    memory, grant, rounds = QueueMemory(), grant_of("a", "anyfast", 20), 12
    served: list[tuple[str, int]] = []
    with connect(postgres_url) as conn:
        conn.execute(JOBS, [90, [5]])
        conn.execute(JOBS, [45, [8]])
        for _ in range(rounds):
            claimed = [item.id for item in claim_for(conn, [grant], 20, LEASE_S, memory)]
            served += conn.execute(
                "SELECT tenant, priority FROM jobs WHERE id = ANY(%s) ORDER BY priority DESC", [claimed]
            ).fetchall()
            conn.execute("UPDATE jobs SET due_at = now() + interval '1 hour' WHERE account IS NOT NULL")
    highest = {tenant: [p for name, p in served if name == tenant] for tenant, _ in served}
    assert highest == {f"t{n}": [8, 5] if n <= 45 else [5] for n in range(1, 91)}


def test_a_tenant_with_an_account_of_its_own_waits_for_no_part(postgres_url: str) -> None:
    fields = {"name": "own", "gateway": "anyfast", "api_key": "sk-test"}
    own = Grant(Account.model_validate(fields), 1, serves=Serves(only=frozenset({"t999"})))
    memory = QueueMemory()
    with connect(postgres_url) as conn:
        conn.execute(JOBS, [TENANTS, [5]])
        for _ in range(3):
            with undone(conn):
                claimed = [item.id for item in claim_for(conn, [own], 10, LEASE_S, memory)]
                assert tenants_of(conn, claimed) == ["t999"]
