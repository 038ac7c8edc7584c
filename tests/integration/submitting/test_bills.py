"""Bills never exceed a budget, and jobs that fit are generated: counted in the gateways' own ledger.

Uses the functions of scheduler and worker, a real PostgreSQL, and the simulator with a clock that the test moves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import pytest

from producer.operator_actions import job_actions as people
from producer.operator_actions.waiting import why_it_waits
from simulator.main import SimulatorOptions, running
from storage.admission.circuit_breaker import Cause
from storage.admission.spending import budgets
from storage.admission.spending.settlement import settle
from storage.jobs import queries
from storage.jobs.states import JobState
from storage.settings import Settings
from storage.tenants.tenants import DEFAULT_TENANT
from tests.claiming import close_account
from tests.integration.submitting.rounds import World
from tests.simulator_client import Clock

S = JobState
TASK_S = 100.0


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def gateway(clock: Clock) -> Iterator[str]:
    with running(SimulatorOptions(time="fixed", median_seconds=TASK_S, clock=clock)) as url:
        yield url


@pytest.fixture
def make(settings: Settings, gateway: str) -> Iterator[Callable[..., World]]:
    worlds: list[World] = []

    def world(**prices: list[dict[str, Any]]) -> World:
        accounts = {
            name: {
                "gateway": "anyfast",
                "base_url": f"{gateway}/anyfast",
                "rates": [{"per": "call", "currency": "CNY", "as_of": "2026-11-01"} | rate for rate in rates],
            }
            for name, rates in prices.items()
        }
        worlds.append(World(settings, **accounts))
        return worlds[-1]

    yield world
    for made in worlds:
        made.close()


def bill(gateway: str) -> Counter[str]:
    """Generations begun, by prompt."""
    found = httpx.get(f"{gateway}/_sim/ledger", timeout=60).raise_for_status().json()["tasks"]
    return Counter(task["prompt"] for task in found)


def set_budget(world: World, amount: int) -> None:
    with world.begin() as conn:
        budgets.set_budget(conn, DEFAULT_TENANT, None, Decimal(amount), "CNY")


def spent(world: World) -> budgets.Budget:
    with world.begin() as conn:
        [found] = budgets.budgets_of(conn, DEFAULT_TENANT)
    return found


def test_an_expensive_job_does_not_block_cheap_ones(make: Callable[..., World], gateway: str) -> None:
    world = make(main=[{"price": 9, "resolutions": ["720p"]}, {"price": 1}])
    set_budget(world, 8)
    [dear] = world.enqueue(1, "dear", resolution="720p")
    world.enqueue(6, "cheap", resolution="480p")
    world.round()
    assert bill(gateway) == {f"cheap {number}": 1 for number in range(6)}
    with world.begin() as conn:
        job = queries.get_jobs(conn, DEFAULT_TENANT, [dear])[dear]
        [why] = [wait for wait in why_it_waits(conn, world.settings, job) if wait.code == "over_budget"]
    assert job.reason == "over_budget"
    assert (why.values["price"], why.values["left"], why.values["currency"]) == (9, 2, "CNY")
    set_budget(world, 20)
    world.round()
    assert bill(gateway)["dear 0"] == 1


def test_repeated_posts_that_may_have_been_billed_count_in_full(make: Callable[..., World], gateway: str) -> None:
    world = make(main=[{"price": 1}])
    world.enqueue(20, "twice")
    set_budget(world, 10)
    rules = [{"kind": "close_after_accept", "where": "create", "every": 2}]
    httpx.post(f"{gateway}/_sim/faults", json=rules).raise_for_status()
    for _ in range(6):
        world.round(4)
        world.rest_ends()
        for job_id in unconfirmed(world):
            people.resubmit(world.producer.database, DEFAULT_TENANT, job_id)
    assert max(bill(gateway).values()) > 1, "some were paid for twice, by decision"
    assert bill(gateway).total() <= 10
    assert spent(world).left >= 0
    assert world.states()["queued"] > 0


def unconfirmed(world: World) -> list[UUID]:
    with world.begin() as conn:
        return [row[0] for row in conn.execute("SELECT id FROM jobs WHERE state = 'unconfirmed'")]


def test_after_failover_the_price_of_the_other_account_counts(
    make: Callable[..., World], gateway: str, clock: Clock
) -> None:
    world = make(cheap=[{"price": 1}], dear=[{"price": 3}])
    set_budget(world, 8)
    with world.begin() as conn:
        close_account(conn, "cheap", Cause.ACCOUNT, "no money")
    world.enqueue(6, "moved")
    for _ in range(3):
        world.round()
    assert bill(gateway).total() == 2, "a third would exceed the rest of the budget"
    assert (spent(world).reserved, spent(world).left) == (Decimal(6), Decimal(2))
    clock.now += 2 * TASK_S
    world.poll()
    with world.begin() as conn:
        conn.execute("DELETE FROM circuit_breakers")
    world.round()
    assert bill(gateway).total() == 4, "two more at the other account's price"
    assert spent(world).left == 0


@pytest.mark.parametrize(("currency", "price"), [("CNY", Decimal("5.0094")), ("USD", Decimal("0.7623"))])
def test_a_budget_works_where_the_gateway_publishes_no_price(
    make: Callable[..., World], gateway: str, clock: Clock, currency: str, price: Decimal
) -> None:
    world = make(main=[])
    with world.begin() as conn:
        budgets.set_budget(conn, DEFAULT_TENANT, None, price * 2 + price / 2, currency)
    world.enqueue(3, "listed", resolution="720p", ratio="16:9", duration=5)
    world.round()
    assert bill(gateway).total() == 2, "the third does not fit"
    assert spent(world).reserved == price * 2
    clock.now += 2 * TASK_S
    world.poll()
    world.transfer()
    with world.begin() as conn:
        settle(conn)
    assert (world.states()["succeeded"], spent(world).spent) == (2, price * 2)
    assert spent(world).reserved == Decimal(0)
