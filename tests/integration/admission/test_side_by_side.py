"""Accounts claim side by side: few statements, and the first account comes first."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, LiteralString, Self

import psycopg
from psycopg.rows import TupleRow

from storage.admission.campaign_pace import set_max_concurrent
from storage.admission.grants import Grant
from storage.admission.spending.budgets import set_budget
from storage.campaigns import controls
from storage.database import Connection, connect
from storage.jobs.enqueue import enqueue_jobs, new_job_id
from storage.jobs.records import NewJob
from storage.leases import Claimed
from tests.claiming import grant_of
from worker.scheduling.admission import claim_for

LEASE_S = 60.0
ACCOUNTS = {"a": "anyfast", "b": "anyfast", "c": "evolink", "d": "anyfast"}
ROUTES = (["anyfast"], ["evolink"], ["anyfast", "evolink"])
MOST = {"seedance": 3, "seedance-fast": 4}
SEEDS = range(12)
# Budgets that are exceeded or whose reservations do not add up, and claimed jobs without a reservation.
_WRONG: LiteralString = """
SELECT tenant FROM budgets b WHERE reserved > amount OR reserved <> coalesce((
    SELECT sum(amount) FROM reservations r
    WHERE r.tenant = b.tenant AND b.campaign_id IN (r.campaign_id, '00000000-0000-0000-0000-000000000000')), 0)
UNION ALL
SELECT j.tenant FROM jobs j JOIN budgets b ON b.tenant = j.tenant
    AND b.campaign_id IN (coalesce(j.campaign_id, b.campaign_id), '00000000-0000-0000-0000-000000000000')
WHERE j.id = ANY(%s) AND (j.campaign_id IS NOT NULL OR b.campaign_id = '00000000-0000-0000-0000-000000000000')
  AND NOT EXISTS (SELECT FROM reservations r WHERE r.job_id = j.id)
"""


def fill(conn: Connection, rng: random.Random) -> None:
    """A queue of a few tenants: campaigns with limits, budgets, pins, priorities, and jobs that several accounts can
    serve."""
    for tenant in "xyz":
        conn.execute("INSERT INTO tenants (name, weight) VALUES (%s, %s)", [tenant, rng.randint(1, 3)])
        campaigns = [None, *(controls.ensure_campaign(conn, tenant, f"c{n}") for n in range(rng.randint(0, 3)))]
        new = [
            NewJob(
                new_job_id(),
                {"prompt": "a cat", "tier": rng.choice(["standard", "fast"])},
                "h",
                rng.choice(ROUTES),
                tenant,
                rng.choice(campaigns),
                account_pin=rng.choice([None, None, None, "a", "b"]),
                priority=rng.choice([5, 5, 5, 7]),
                prices={name: {"CNY": rng.randint(1, 4)} for name in ACCOUNTS},
            )
            for _ in range(rng.randint(0, 14))
        ]
        enqueue_jobs(conn, new)
        for campaign_id in campaigns:
            if campaign_id is not None and rng.random() < 0.3:
                set_max_concurrent(conn, campaign_id, rng.randint(1, 4))
    conn.execute("UPDATE jobs SET barred_accounts = '{a}' WHERE id IN (SELECT id FROM jobs ORDER BY id LIMIT 2)")


def limit_costs(conn: Connection, rng: random.Random) -> None:
    """Give some tenants and campaigns a budget that is too small for all of their jobs."""
    scopes = conn.execute("SELECT tenant, id FROM campaigns UNION ALL SELECT name, NULL FROM tenants ORDER BY 1, 2")
    for tenant, campaign_id in scopes.fetchall():
        if rng.random() < 0.4:
            set_budget(conn, tenant, campaign_id, Decimal(rng.randint(1, 20)), "CNY")


def grants_of(rng: random.Random) -> list[Grant]:
    return [
        grant_of(name, gateway, rng.randint(1, 7), most=MOST if rng.random() < 0.3 else None)
        for name, gateway in ACCOUNTS.items()
    ]


def one_by_one(conn: Connection, grants: Sequence[Grant]) -> list[Claimed]:
    return [item for grant in grants for item in claim_for(conn, [grant], 100, LEASE_S)]


def side_by_side(conn: Connection, grants: Sequence[Grant]) -> list[Claimed]:
    return claim_for(conn, grants, 100, LEASE_S)


@contextmanager
def undone(conn: Connection) -> Iterator[None]:
    """A block of which nothing stays."""
    conn.execute("SAVEPOINT undone")
    yield
    conn.execute("ROLLBACK TO SAVEPOINT undone; RELEASE SAVEPOINT undone")


def test_the_first_account_loses_nothing_to_the_others(postgres_url: str) -> None:
    """Accounts are configured in the order in which they are tried, also when the queue is shorter than the slots."""
    with connect(postgres_url) as conn:
        for seed in SEEDS:
            rng = random.Random(seed)
            with undone(conn):
                fill(conn, rng)
                grants = grants_of(rng)
                with undone(conn):
                    alone = claim_for(conn, grants[:1], 100, LEASE_S)
                with undone(conn):
                    after_each_other = one_by_one(conn, grants)
                with undone(conn):
                    together = side_by_side(conn, grants)
                first = {item.id for item in together if item.account == grants[0].account.name}
                assert first == {item.id for item in alone}, f"seed {seed}"
                # Now and then an account leaves a slot to the next tick.
                assert abs(len(together) - len(after_each_other)) <= 1, f"seed {seed}"


def test_together_they_exceed_no_budget(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        for seed in SEEDS:
            rng = random.Random(seed)
            with undone(conn):
                fill(conn, rng)
                limit_costs(conn, rng)
                grants = grants_of(rng)
                claimed = side_by_side(conn, grants)
                assert len({item.id for item in claimed}) == len(claimed), f"seed {seed}"
                given = Counter(item.account for item in claimed)
                assert all(given[grant.account.name] <= grant.slots for grant in grants), f"seed {seed}"
                wrong = conn.execute(_WRONG, [[item.id for item in claimed]]).fetchall()
                assert wrong == [], f"seed {seed}"


class CountingCursor(psycopg.Cursor[TupleRow]):
    """Counts the statements of all such cursors."""

    count = 0

    def execute(self, *args: Any, **kwargs: Any) -> Self:
        CountingCursor.count += 1
        return super().execute(*args, **kwargs)


def test_a_claim_is_a_few_statements_for_any_number_of_accounts_and_tenants(postgres_url: str) -> None:
    """Seen: five for each tenant of each account, and so 400 in a tick for 50 accounts and 200 tenants."""
    counts = []
    with connect(postgres_url) as conn:
        enqueue_jobs(conn, [NewJob(new_job_id(), {"prompt": "a"}, "h", ["anyfast"], f"t{n % 20}") for n in range(800)])
        conn.cursor_factory = CountingCursor
        for accounts in (1, 30):
            grants = [grant_of(f"a{n}", "anyfast", 3) for n in range(accounts)]
            with undone(conn):
                before = CountingCursor.count
                assert len(side_by_side(conn, grants)) == 3 * accounts
                counts.append(CountingCursor.count - before)
    # Are there budgets? Which part of the tenants, which of these, which shares? Lock the oldest jobs, lease them,
    # record the turns.
    assert counts == [7, 7]
