"""Which price counts against a budget, and in which currency, against a real PostgreSQL."""

from __future__ import annotations

from decimal import Decimal

import pytest

from seedance.account import Account
from storage.admission.grants import Grant
from storage.admission.spending import budgets
from storage.admission.spending.settlement import settle
from storage.database import connect
from storage.jobs import claims
from storage.jobs.enqueue import enqueue_jobs, new_job_id
from storage.jobs.reasons import Reason
from storage.jobs.records import NewJob
from storage.tenants.tenants import DEFAULT_TENANT
from tests.claiming import claim_of
from tests.integration.jobs.budgets.budget_calls import (
    LEASE_S,
    S,
    a_campaign,
    accept,
    begin,
    claim,
    end,
    enqueue,
    lose,
    reasons,
    refuse,
    resubmit,
    store,
    succeed,
    sums,
    touched,
)


def test_the_price_of_the_account_that_is_used_is_reserved(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        spring = a_campaign(conn, "spring", "14")
        ids = enqueue(conn, 3, spring, prices={"main": {"CNY": 3.0}, "other": {"CNY": 5.0}})
        assert claim(conn, 1) == ids[:1]
        begin(conn, ids[:1])
        refuse(conn, ids[:1])  # for example, for its key: the other account takes it over
        settle(conn)
        conn.execute("UPDATE jobs SET due_at = created_at")
        assert claim(conn, 1, "other") == ids[:1]
        assert sums(conn, spring) == (0, 5)
        begin(conn, ids[:1], "other")
        accept(conn, ids[:1])
        assert claim(conn, 1, "other") == ids[1:2]
        assert sums(conn, spring) == (0, 10)
        claims.release(conn, [(ids[1], 1)])  # it never began, and it goes to the other account
        assert claim(conn, 1) == ids[1:2]
        assert sums(conn, spring) == (0, 8), "its reservation follows it"
        store(conn, ids[:1], None)
        settle(conn)
        assert sums(conn, spring) == (5, 3)


def test_a_job_too_expensive_at_one_account_is_left_to_another(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        spring = a_campaign(conn, "spring", "4")
        both = enqueue(conn, 2, spring, prices={"main": {"CNY": 5.0}, "other": {"CNY": 3.0}})
        cheap = enqueue(conn, 1, spring)
        assert claim(conn) == cheap, "although two that are too expensive here are in front"
        assert reasons(conn, both) == [None, None]
        assert claim(conn, 100, "other") == both[:1]
        assert sums(conn, spring) == (0, 4)


def test_a_price_counts_in_the_currency_of_its_account(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        spring = a_campaign(conn, "spring", "4")
        ids = enqueue(conn, 2, spring, prices={"main": {"credits": 0.5}, "other": {"CNY": 3.0}})
        assert claim(conn) == []
        assert claim(conn, 100, "other") == ids[:1]
        assert reasons(conn, ids[1:]) == ["over_budget"], "although its first price is in another currency"
        before = touched(conn)
        assert claim(conn) == claim(conn, 100, "other") == []
        assert touched(conn) - before < 40
        [short] = budgets.shortages(conn, ids[1])
        assert short.price == 3


@pytest.mark.parametrize("of_tenant", [False, True], ids=["of the campaign", "of the tenant"])
def test_jobs_that_were_set_aside_fit_a_budget_in_another_currency(postgres_url: str, of_tenant: bool) -> None:
    with connect(postgres_url) as conn:
        spring = a_campaign(conn, "spring")
        scope = None if of_tenant else spring
        budgets.set_budget(conn, DEFAULT_TENANT, scope, Decimal(4), "CNY")
        cheap = enqueue(conn, 1, spring, prices={"main": {"CNY": 1.0, "USD": 0.2}})
        dear = enqueue(conn, 2, spring, prices={"main": {"CNY": 9.0, "USD": 2.0}})
        only_cny = enqueue(conn, 1, spring, prices={"main": {"CNY": 9.0}})
        assert claim(conn) == cheap
        assert conn.execute("SELECT count(*) FROM jobs WHERE reason = 'over_budget'").fetchone() == (3,)
        budgets.set_budget(conn, DEFAULT_TENANT, scope, Decimal("2.5"), "USD")
        assert claim(conn) == dear[:1], "one fits"
        assert reasons(conn, only_cny) == ["no_price"]
        settle(conn)
        assert claim(conn) == [], "the other one is too expensive in dollars"
        budgets.set_budget(conn, DEFAULT_TENANT, scope, Decimal(5), "USD")
        assert claim(conn) == dear[1:]


def test_an_account_that_was_added_later_has_its_own_price(postgres_url: str) -> None:
    price = {"price": 7, "per": "call", "currency": "CNY", "as_of": "2026-11-01"}
    added = Account.model_validate({"name": "added", "gateway": "anyfast", "api_key": "sk-1", "rates": [price]})
    with connect(postgres_url) as conn:
        spring = a_campaign(conn, "spring", "9")
        ids = enqueue(conn, 3, spring, cost=4.0)
        assert [job.id for job in claim_of(conn, Grant(added, 1), LEASE_S)] == ids[:1]
        assert sums(conn, spring) == (0, 7)
        budgets.set_budget(conn, DEFAULT_TENANT, spring, Decimal(12), "CNY")
        for _ in range(3):  # it finds one after the other too expensive here
            assert claim_of(conn, Grant(added, 1), LEASE_S) == []
        assert claim(conn) == ids[1:2], "but not at another account"


def test_a_job_without_a_price_does_not_block_others(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        budgets.set_budget(conn, DEFAULT_TENANT, None, Decimal(4), "CNY")
        dear = enqueue(conn, 1, cost=None) + enqueue(conn, 1, currency="USD")
        fine = enqueue(conn, 2)
        taken = claim(conn)
        assert set(taken) | set(claim(conn)) == set(fine)
        assert reasons(conn, dear) == ["no_price"] * 2
        assert [short.price for short in budgets.shortages(conn, dear[0])] == [None]
        budgets.set_budget(conn, DEFAULT_TENANT, None, None)
        assert claim(conn) == dear


def test_a_job_of_an_older_release_has_one_price_for_all_accounts(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        spring = a_campaign(conn, "spring", "3")
        estimate = {"low": 1, "high": 2.0, "currency": "CNY"}
        new = [NewJob(new_job_id(), {"prompt": "a"}, "h", ["anyfast"], campaign_id=spring, estimate=estimate)] * 1
        new += [NewJob(new_job_id(), {"prompt": "a"}, "h", ["anyfast"], campaign_id=spring, estimate=estimate)]
        ids = [item.id for item in enqueue_jobs(conn, new)]
        assert claim(conn) == ids[:1]
        assert claim(conn) == []
        assert reasons(conn, ids[1:]) == ["over_budget"]
        budgets.set_budget(conn, DEFAULT_TENANT, spring, Decimal(4), "CNY")
        conn.execute("UPDATE jobs SET due_at = now() WHERE reason = 'over_budget'")  # half a minute later
        settle(conn)
        assert claim(conn) == ids[1:]


def test_a_budget_set_later_counts_earlier_costs_of_its_campaign(postgres_url: str) -> None:
    with connect(postgres_url) as conn:
        spring = a_campaign(conn, "spring")
        ids = enqueue(conn, 8, spring)
        assert claim(conn, 5) == ids[:5]
        succeed(conn, ids[:1], 0.25)
        begin(conn, ids[1:3])
        lose(conn, ids[1:3])
        end(conn, ids[1:2], S.FAILED, Reason.ABANDONED)
        resubmit(conn, ids[2:3])
        a_campaign(conn, "spring", "6")
        # One is billed, one perhaps, and perhaps the first attempt of one that waits; two are claimed.
        assert sums(conn, spring) == (1.25, 3)
        assert len(claim(conn)) == 1
        succeed(conn, ids[3:5], 0.5)
        settle(conn)
        assert sums(conn, spring) == (2.25, 2)
