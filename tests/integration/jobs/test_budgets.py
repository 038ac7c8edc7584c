"""Budgets and weights against a real PostgreSQL: nothing over a budget is handed out, and everything that fits is."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from uuid import UUID

import pytest

from storage.admission import budgets
from storage.campaigns import controls
from storage.campaigns.controls import set_weight
from storage.database import Connection, Database, connect
from storage.jobs import claims, queries, transitions
from storage.jobs.enqueue import enqueue_jobs, new_job_id
from storage.jobs.reasons import Reason
from storage.jobs.records import Move, NewJob
from storage.jobs.states import JobState
from storage.tenants import tenants
from storage.tenants.tenants import DEFAULT_TENANT
from tests.claiming import claim_submits

S = JobState
LEASE_S = 60.0


def enqueue(
    conn: Connection,
    count: int,
    campaign: UUID | None = None,
    *,
    cost: float | None = 1.0,
    currency: str = "CNY",
    tenant: str = DEFAULT_TENANT,
) -> list[UUID]:
    estimate = None if cost is None else {"low": cost / 2, "high": cost, "currency": currency}
    new = [
        NewJob(new_job_id(), {"prompt": "a"}, "h", ["anyfast"], tenant, campaign, estimate=estimate)
        for _ in range(count)
    ]
    return [item.id for item in enqueue_jobs(conn, new)]


def claim(conn: Connection, limit: int = 100, account: str = "main") -> list[UUID]:
    return [item.id for item in claim_submits(conn, account, "anyfast", limit, LEASE_S)]


def finish(conn: Connection, ids: Sequence[UUID], state: JobState, cost: float | None = None, **more: object) -> None:
    """Let claimed jobs end."""
    account = {"account": "main", "gateway": "anyfast", "model": "seedance"}
    paid = {} if cost is None else {"cost": {"amount": cost, "currency": more.pop("currency", "CNY")}}
    stored = {"object_key": "a.mp4", "sha256": "0", "size_bytes": 1}
    failed = {"error": {"code": "x", "message": "y"}}
    steps: list[tuple[JobState, Mapping[str, object]]] = [(S.SUBMITTING, account)]
    if state is S.SUCCEEDED:
        steps += [(S.GENERATING, {"gateway_task_id": "t"}), (S.TRANSFERRING, {"video_url": "http://a"})]
    steps.append((state, {**(stored if state is S.SUCCEEDED else failed), **paid}))
    source = S.QUEUED
    for target, patch in steps:
        reason = Reason(str(more.get("reason", Reason.SUBMIT))) if target is state else Reason.SUBMIT
        moved = transitions.move(conn, [Move(i, (source,), target, reason, due_in_s=60.0, patch=patch) for i in ids])
        assert len(moved) == len(ids)
        source = target


def of(conn: Connection, campaign: UUID | None = None) -> budgets.Budget:
    [found] = budgets.budgets_of(conn, DEFAULT_TENANT, None if campaign is None else [campaign])
    return found


def sums(conn: Connection, campaign: UUID | None = None) -> tuple[float, float]:
    """What is spent and what is reserved."""
    found = of(conn, campaign)
    return float(found.spent), float(found.reserved)


def a_campaign(conn: Connection, name: str, budget: str | None = None, tenant: str = DEFAULT_TENANT) -> UUID:
    campaign = controls.ensure_campaign(conn, tenant, name)
    if budget is not None:
        budgets.set_budget(conn, tenant, campaign, Decimal(budget), "CNY")
    return campaign


def test_a_budget_is_reserved_then_settled_and_the_rest_goes_on(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        spring = a_campaign(conn, "spring", "3.5")
        ids = enqueue(conn, 6, spring)
        assert claim(conn) == ids[:3]
        assert sums(conn, spring) == (0, 3) and of(conn, spring).held
        assert claim(conn) == []
        waiting = queries.get_jobs(conn, DEFAULT_TENANT, ids)
        assert [waiting[i].reason for i in ids] == [None] * 3 + ["over_budget"] * 3
        assert [item.campaign for item in budgets.over_budget(conn, ids[3])] == ["spring"]
        assert budgets.over_budget(conn, ids[0]) == []

        finish(conn, ids[:1], S.SUCCEEDED, cost=0.4)
        finish(conn, ids[1:2], S.FAILED)
        assert budgets.settle(conn) == 1
        assert sums(conn, spring) == (0.4, 1)
        assert claim(conn) == ids[3:5], "0.4 spent, 1 reserved: two more fit"
        assert claim(conn) == []
        budgets.set_budget(conn, DEFAULT_TENANT, spring, Decimal(10), "CNY")
        assert claim(conn) == ids[5:]
        assert budgets.over_budget(conn, ids[5]) == []


def test_what_may_have_been_billed_counts(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        spring = a_campaign(conn, "spring", "100")
        ids = enqueue(conn, 5, spring)
        assert claim(conn) == ids
        finish(conn, ids[:1], S.SUCCEEDED)  # nothing was reported
        conn.execute("UPDATE jobs SET generated_at = now() WHERE id = %s", [ids[0]])
        finish(conn, ids[1:2], S.SUCCEEDED, cost=9.0, currency="USD")  # in another currency
        conn.execute("UPDATE jobs SET generated_at = now() WHERE id = %s", [ids[1]])
        finish(conn, ids[2:3], S.FAILED, reason="moderation_blocked")
        finish(conn, ids[3:4], S.FAILED, reason="deadline_exceeded")  # no task: nothing was submitted
        claims.release(conn, [(ids[4], 1)])  # and nobody took it
        budgets.settle(conn)
        assert sums(conn, spring) == (2, 0)
        assert claim(conn) == ids[4:]
        assert of(conn, spring).reserved == 1


def test_a_tenants_budget_covers_all_its_campaigns_and_no_others(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        budgets.set_budget(conn, DEFAULT_TENANT, None, Decimal(4), "CNY")
        spring, summer = a_campaign(conn, "spring", "1"), a_campaign(conn, "summer")
        own = enqueue(conn, 5, spring) + enqueue(conn, 5, summer) + enqueue(conn, 5)
        others = enqueue(conn, 5, tenant="other", cost=None)
        taken = set(claim(conn)) | set(claim(conn))
        assert taken & set(others) == set(others)
        assert len(taken & set(own)) == 4
        assert len(taken & set(own[:5])) <= 1
        assert of(conn).held
        budgets.set_budget(conn, DEFAULT_TENANT, None, None)
        rest = set(claim(conn)) | taken
        assert set(own[5:]) <= rest and len(rest & set(own[:5])) == 1, "spring's own budget is for one"


def test_an_unknown_price_waits_alone(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        budgets.set_budget(conn, DEFAULT_TENANT, None, Decimal(4), "CNY")
        dear = enqueue(conn, 1, cost=None) + enqueue(conn, 1, currency="USD")
        fine = enqueue(conn, 2)
        taken = claim(conn)
        assert set(taken) | set(claim(conn)) == set(fine)
        found = queries.get_jobs(conn, DEFAULT_TENANT, dear)
        assert [found[i].reason for i in dear] == ["no_price"] * 2
        assert len(budgets.over_budget(conn, dear[0])) == 1
        budgets.set_budget(conn, DEFAULT_TENANT, None, None)
        assert claim(conn) == dear


def test_a_budget_that_comes_later_counts_what_its_campaign_has_cost(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        spring = a_campaign(conn, "spring")
        ids = enqueue(conn, 6, spring)
        assert claim(conn, 3) == ids[:3]
        finish(conn, ids[:1], S.SUCCEEDED, cost=0.25)
        a_campaign(conn, "spring", "4")
        assert sums(conn, spring) == (0.25, 2)
        assert claim(conn) == ids[3:4]
        finish(conn, ids[1:4], S.SUCCEEDED, cost=0.5)
        budgets.settle(conn)
        assert sums(conn, spring) == (1.75, 0)


def test_a_smaller_job_fits_once_the_bigger_one_is_gone(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        spring = a_campaign(conn, "spring", "2")
        [big], [small] = enqueue(conn, 1, spring, cost=5.0), enqueue(conn, 1, spring)
        assert claim(conn) == []
        transitions.move(conn, [Move(big, (S.QUEUED,), S.CANCELLED, Reason.CANCELLED)])
        assert claim(conn) == []
        conn.execute("UPDATE budgets SET held_until = now() - interval '1 s'")  # half a minute later
        assert claim(conn) == [small]
        assert not of(conn, spring).held


def test_sixteen_schedulers_never_exceed_a_budget(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        for name in "abcd":
            enqueue(conn, 20, a_campaign(conn, name, "5"))
        budgets.set_budget(conn, DEFAULT_TENANT, None, Decimal(17), "CNY")
    database = Database(postgres_url, name="test", size=16)
    start, claimed = threading.Barrier(16), list[UUID]()

    def schedule(number: int) -> None:
        start.wait()
        for _ in range(4):
            with database.begin() as conn:
                claimed.extend(claim(conn, 3, f"account-{number % 4}"))

    threads = [threading.Thread(target=schedule, args=[number]) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    database.close()
    assert len(claimed) == len(set(claimed)) == 17
    with connect(postgres_url) as conn:
        assert sums(conn) == (0, 17)


@pytest.mark.parametrize("slots", [1, 2, 7, 30])
def test_weights_share_out_the_slots(postgres_url: str, slots: int) -> None:
    with connect(postgres_url) as conn:
        tenants.set_tenant(conn, "heavy", weight=3, jobs_per_minute=None)
        set_weight(conn, a_campaign(conn, "a", tenant="heavy"), 2)
        for name in "ab":
            enqueue(conn, 120, controls.ensure_campaign(conn, "heavy", name), tenant="heavy")
        enqueue(conn, 120, tenant="light")
        taken = list[UUID]()
        while len(taken) < 120:
            taken += claim(conn, min(slots, 120 - len(taken)))
        rows = conn.execute(
            """SELECT coalesce(c.name, j.tenant) FROM jobs j LEFT JOIN campaigns c ON c.id = j.campaign_id
               WHERE j.id = ANY(%s)""",
            [taken],
        )
        assert Counter(row[0] for row in rows) == {"a": 60, "b": 30, "light": 30}
