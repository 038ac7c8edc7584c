"""Budgets and weights against a real PostgreSQL: no job over a budget is claimed, and every job that fits is."""

from __future__ import annotations

import threading
from collections import Counter
from decimal import Decimal
from uuid import UUID

import pytest

from storage.admission.spending import budgets
from storage.admission.spending.settlement import settle
from storage.campaigns import controls
from storage.campaigns.controls import set_weight
from storage.database import Connection, Database, connect
from storage.jobs import claims, transitions
from storage.jobs.attempts import finish_attempts
from storage.jobs.reasons import Reason
from storage.jobs.records import AttemptOutcome, Move
from storage.tenants import tenants
from storage.tenants.tenants import DEFAULT_TENANT
from tests.integration.jobs.budgets.budget_calls import (
    NO_ACCOUNT,
    S,
    a_campaign,
    accept,
    answer,
    begin,
    claim,
    end,
    enqueue,
    lose,
    of,
    reasons,
    refuse,
    resubmit,
    store,
    succeed,
    sums,
    touched,
)


def test_a_budget_is_reserved_then_settled_and_jobs_that_fit_continue(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        spring = a_campaign(conn, "spring", "3.5")
        ids = enqueue(conn, 6, spring)
        assert claim(conn) == ids[:3]
        assert sums(conn, spring) == (0, 3) and of(conn, spring).held
        assert claim(conn) == []
        assert reasons(conn, ids) == [None] * 3 + ["over_budget"] * 3
        [short] = budgets.shortages(conn, ids[3])
        assert (short.budget.campaign, short.budget.left, short.price) == ("spring", Decimal("0.5"), Decimal(1))
        assert budgets.shortages(conn, ids[0]) == []

        succeed(conn, ids[:1], 0.4)
        begin(conn, ids[1:2])
        refuse(conn, ids[1:2])
        end(conn, ids[1:2], S.FAILED, Reason.INVALID_REQUEST)
        assert settle(conn) == 1
        assert sums(conn, spring) == (0.4, 1)
        assert claim(conn) == ids[3:5], "0.4 spent, 1 reserved: two more fit"
        assert claim(conn) == []
        budgets.set_budget(conn, DEFAULT_TENANT, spring, Decimal(10), "CNY")
        assert claim(conn) == ids[5:]
        assert budgets.shortages(conn, ids[5]) == []


@pytest.mark.parametrize("slots", [1, 3, 100])
def test_a_job_that_exceeds_the_rest_of_a_budget_does_not_block_others(postgres_url: str, slots: int) -> None:
    with connect(postgres_url) as conn:
        spring = a_campaign(conn, "spring", "8")
        [dear], cheap = enqueue(conn, 1, spring, cost=9.0), enqueue(conn, 6, spring)
        taken = [job_id for _ in range(10) for job_id in claim(conn, slots)]
        assert taken == cheap
        assert reasons(conn, [dear]) == ["over_budget"] and of(conn, spring).held
        [short] = budgets.shortages(conn, dear)
        assert (short.budget.left, short.price) == (Decimal(2), Decimal(9))
        assert settle(conn) == 0 and claim(conn) == []
        budgets.set_budget(conn, DEFAULT_TENANT, spring, Decimal(15), "CNY")
        assert claim(conn) == [dear] and not of(conn, spring).held


def test_many_expensive_jobs_are_set_aside_and_come_back_when_they_fit(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        spring = a_campaign(conn, "spring", "5")
        dear, cheap = enqueue(conn, 700, spring, cost=6.0), enqueue(conn, 3, spring)
        assert claim(conn, 1) == cheap[:1]
        assert [job_id for _ in range(5) for job_id in claim(conn, 1)] == cheap[1:]
        assert set(reasons(conn, dear)) == {"over_budget"}
        budgets.set_budget(conn, DEFAULT_TENANT, spring, Decimal(3 + 12), "CNY")
        assert claim(conn) == dear[:2], "the oldest of them"
        budgets.set_budget(conn, DEFAULT_TENANT, spring, None)
        for _ in range(2):
            settle(conn)
        assert claim(conn, 1000) == dear[2:]


def test_released_reservations_let_an_expensive_job_run(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        spring = a_campaign(conn, "spring", "5")
        cheap, dear = enqueue(conn, 3, spring), enqueue(conn, 2, spring, cost=4.0)
        assert claim(conn) == cheap
        assert claim(conn) == []
        for i in cheap:
            transitions.move(conn, [Move(i, (S.QUEUED,), S.CANCELLED, Reason.CANCELLED)])
        settle(conn)
        assert claim(conn) == dear[:1]


def test_a_claim_without_fitting_jobs_touches_few_rows(postgres_url: str) -> None:
    """The number of rows touched matters with 200,000 such jobs, and does not depend on the machine."""
    with connect(postgres_url) as conn:
        spring = a_campaign(conn, "spring", "5")
        fill(conn, spring, 20_000)
        conn.execute("ANALYZE jobs")
    assert rows_touched(postgres_url) < 40
    with connect(postgres_url) as conn:
        budgets.set_budget(conn, DEFAULT_TENANT, spring, None)
        budgets.set_budget(conn, DEFAULT_TENANT, None, Decimal(5), "CNY")
        for number in range(200):
            fill(conn, a_campaign(conn, f"campaign {number}"), 5)
        conn.execute("ANALYZE jobs")
    rows_touched(postgres_url)
    assert rows_touched(postgres_url) < 40, "a tenant is skipped as a whole"
    with connect(postgres_url) as conn:
        assert of(conn).held
        cheap = enqueue(conn, 1)
        conn.execute("UPDATE budgets SET held_until = now()")  # a few seconds later
        assert claim(conn) == cheap


def test_jobs_that_fit_are_found_behind_very_many_that_do_not(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        spring = a_campaign(conn, "spring", "5")
        fill(conn, spring, 20_000)
        cheap = enqueue(conn, 2, spring)
        conn.execute("ANALYZE jobs")
    for job_id in cheap:
        with connect(postgres_url) as conn:
            assert claim(conn, 1) == [job_id]
            assert touched(conn) < 3_000


def fill(conn: Connection, campaign: UUID, count: int) -> None:
    """Many jobs that cost 6 each."""
    [pattern] = enqueue(conn, 1, campaign, cost=6.0)
    conn.execute(
        """INSERT INTO jobs (id, campaign_id, request, request_hash, gateways, lane, prices, least_price,
                             price_currency)
           SELECT gen_random_uuid(), campaign_id, request, request_hash, gateways, lane, prices, least_price,
                  price_currency
           FROM jobs, generate_series(2, %s) WHERE id = %s""",
        [count, pattern],
    )


def rows_touched(url: str) -> int:
    """How many rows of `jobs` a claim without a result reads and writes."""
    with connect(url) as conn:
        assert claim(conn) == []
        return touched(conn)


def test_attempts_that_may_have_been_billed_count_as_spent(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        spring = a_campaign(conn, "spring", "100")
        ids = enqueue(conn, 7, spring)
        assert claim(conn) == ids
        succeed(conn, ids[:1], None)  # nothing was reported
        succeed(conn, ids[1:2], 9.0, "USD")  # in another currency
        begin(conn, ids[2:6])
        accept(conn, ids[2:4])
        end(conn, ids[2:3], S.FAILED, Reason.GENERATION_FAILED)  # reported by the gateway
        end(conn, ids[3:4], S.FAILED, Reason.DEADLINE_EXCEEDED)  # still generating
        lose(conn, ids[4:5])
        end(conn, ids[4:5], S.FAILED, Reason.ABANDONED)
        answer(conn, ids[5:6], Reason.MODERATION_BLOCKED, S.FAILED, error={"code": "x", "message": "y"})
        claims.release(conn, [(ids[6], 1)])  # it never began
        settle(conn)
        assert sums(conn, spring) == (4, 0)
        assert claim(conn) == ids[6:]
        assert of(conn, spring).reserved == 1


@pytest.mark.parametrize("again", ["resubmitted", "discarded", "proven", "accepted late"])
def test_an_attempt_with_an_unknown_outcome_counts_beside_the_next_one(postgres_url: str, again: str) -> None:
    with connect(postgres_url) as conn:
        spring = a_campaign(conn, "spring", "10")
        ids = enqueue(conn, 1, spring, cost=3.0)
        assert claim(conn) == ids
        begin(conn, ids)
        lose(conn, ids)
        settle(conn)
        assert sums(conn, spring) == (0, 3)
        if again == "discarded":
            end(conn, ids, S.CANCELLED, Reason.DISCARDED)
            settle(conn)
            assert sums(conn, spring) == (3, 0)
            return
        if again == "proven":
            answer(conn, ids, Reason.NOT_SUBMITTED, S.QUEUED, **NO_ACCOUNT)
            conn.execute("UPDATE jobs SET due_at = now()")
        else:
            resubmit(conn, ids)
        settle(conn)
        first = 0 if again == "proven" else 3
        assert sums(conn, spring) == (0, first)
        assert claim(conn) == ids
        assert sums(conn, spring) == (0, first + 3)
        if again == "accepted late":  # before the second POST: its task becomes the job's
            finish_attempts(conn, [AttemptOutcome(ids[0], 1, Reason.ACCEPTED, gateway_task_id="first")], [])
            late = {"gateway_task_id": "first", "account": "main"}
            transitions.move(conn, [Move(ids[0], (S.QUEUED,), S.GENERATING, Reason.ACCEPTED_LATE, patch=late)])
            settle(conn)
            assert sums(conn, spring) == (0, 3)
            store(conn, ids, 2.5)
            settle(conn)
            assert sums(conn, spring) == (2.5, 0)
            return
        succeed(conn, ids, 2.5)
        settle(conn)
        assert sums(conn, spring) == (first + 2.5, 0)


def test_a_refused_attempt_releases_its_reservation(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        spring = a_campaign(conn, "spring", "1")
        ids = enqueue(conn, 1, spring)
        for _ in range(3):
            assert claim(conn) == ids
            begin(conn, ids)
            refuse(conn, ids)
            settle(conn)
            assert sums(conn, spring) == (0, 0)


def test_a_tenants_budget_covers_all_its_campaigns_and_no_other_tenant(postgres_url: str) -> None:
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


def test_a_cheap_job_runs_while_an_expensive_one_waits(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        spring = a_campaign(conn, "spring", "2")
        [big], [small] = enqueue(conn, 1, spring, cost=5.0), enqueue(conn, 1, spring)
        assert claim(conn) == [small]
        transitions.move(conn, [Move(big, (S.QUEUED,), S.CANCELLED, Reason.CANCELLED)])
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
def test_weights_divide_the_slots(postgres_url: str, slots: int) -> None:
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
