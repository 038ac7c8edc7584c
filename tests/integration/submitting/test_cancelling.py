"""A cancelled job is not generated if its gateway can still cancel it, even if the first cancel calls fail; a discarded
job ends in every state.

Uses the functions of scheduler and worker, a real PostgreSQL, and the simulator with a clock that the test moves: no
task begins otherwise.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import pytest

from producer.operator_actions import job_actions as people
from simulator.main import SimulatorOptions, running
from storage.admission.spending import budgets
from storage.admission.spending.settlement import settle
from storage.jobs.states import JobState
from storage.settings import Settings
from storage.tenants.tenants import DEFAULT_TENANT
from tests.integration.submitting.rounds import World
from tests.simulator_client import Clock
from tests.waiting import PATIENCE_S, wait_for
from worker.retry import CANCEL

S = JobState
JOBS = 10
TASK_S = 1000.0
Arm = Callable[..., None]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def gateway(clock: Clock) -> Iterator[str]:
    with running(SimulatorOptions(time="fixed", median_seconds=TASK_S, clock=clock)) as url:
        yield url


@pytest.fixture
def world(settings: Settings, gateway: str) -> Iterator[World]:
    # The first poll comes late: by then a task has begun.
    patient = settings.model_copy(update={"poll_min_seconds": 300.0, "poll_max_seconds": 600.0})
    made = World(
        patient,
        ark={"gateway": "ark", "base_url": f"{gateway}/ark/api/v3"},
        other={"gateway": "anyfast", "base_url": f"{gateway}/anyfast"},
    )
    yield made
    made.close()


@pytest.fixture
def arm(gateway: str) -> Arm:
    def set_rules(*rules: dict[str, Any]) -> None:
        httpx.delete(f"{gateway}/_sim/faults").raise_for_status()
        httpx.post(f"{gateway}/_sim/faults", json=list(rules)).raise_for_status()

    return set_rules


def tasks(gateway: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = httpx.get(f"{gateway}/_sim/ledger", timeout=60).raise_for_status().json()["tasks"]
    return found


def requests(gateway: str) -> dict[str, int]:
    """How often each call of the gateway was made."""
    ledger = httpx.get(f"{gateway}/_sim/ledger", timeout=60).raise_for_status().json()
    found: dict[str, int] = ledger["totals"]["requests"]
    return found


def cancel(world: World, ids: list[UUID], *, discard: bool = False) -> None:
    for job_id in ids:
        people.cancel(world.producer.database, DEFAULT_TENANT, job_id, discard=discard)


def submitted(world: World, count: int = JOBS, account: str = "ark") -> list[UUID]:
    ids = world.enqueue(count, account=account)
    world.round()
    return ids


def while_posting(world: World, gateway: str, count: int, act: Callable[[list[UUID]], None]) -> list[UUID]:
    """Run `act` while the gateway has not yet answered the POSTs of `count` jobs."""
    ids = world.enqueue(count, account="ark")
    posting = threading.Thread(target=world.round)
    posting.start()
    for _ in range(int(PATIENCE_S * 20)):
        if len(tasks(gateway)) == count or world.states()["submitting"] == count:
            break
        posting.join(0.05)
    assert world.states() == {"submitting": count}
    act(ids)
    posting.join()
    return ids


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 500},
        {"kind": "status", "status": 502, "body": "html"},
        {"kind": "rate_limit"},
        {"kind": "close_before_read"},
        {"kind": "hang", "seconds": 2, "accepted": True, "first": 1},
    ],
    ids=lambda fault: f"{fault['kind']}-{fault.get('status', '')}",
)
def test_a_cancel_call_that_is_not_answered_is_made_again_before_the_task_begins(
    world: World, gateway: str, clock: Clock, arm: Arm, fault: dict[str, Any]
) -> None:
    ids = submitted(world)
    arm({"where": "delete", "first": 3, "per": "task"} | fault)
    cancel(world, ids)
    for _ in range(5):
        world.poll(within_s=CANCEL.cap_s)
    assert world.states() == {"cancelled": JOBS}
    clock.now += 2 * TASK_S
    assert Counter(task["status"] for task in tasks(gateway)) == {"cancelled": JOBS}


def test_a_failed_query_keeps_the_cancel_request(world: World, gateway: str, clock: Clock, arm: Arm) -> None:
    ids = submitted(world)
    arm(
        {"kind": "status", "where": "list", "status": 500, "first": 2},
        {"kind": "status", "where": "query", "status": 500, "first": 2 * JOBS},
    )
    cancel(world, ids)
    for _ in range(6):  # also the queries that must show that the tasks are cancelled fail at first
        world.poll(within_s=CANCEL.cap_s)
    assert world.states() == {"cancelled": JOBS}
    clock.now += 2 * TASK_S
    assert Counter(task["status"] for task in tasks(gateway)) == {"cancelled": JOBS}


def test_a_cancel_request_during_the_post_reaches_the_gateway_before_the_first_poll(
    world: World, gateway: str, clock: Clock, arm: Arm
) -> None:
    arm({"kind": "slow", "where": "create", "seconds": 5})
    while_posting(world, gateway, JOBS, lambda ids: cancel(world, ids))
    assert world.states() == {"generating": JOBS}
    world.poll(within_s=0.0)
    assert world.states() == {"cancelled": JOBS}
    clock.now += 2 * TASK_S
    assert Counter(task["status"] for task in tasks(gateway)) == {"cancelled": JOBS}


def test_a_cancel_request_for_a_doubt_cancels_its_task_once_it_is_found(
    world: World, gateway: str, clock: Clock, arm: Arm
) -> None:
    arm({"kind": "close_after_accept", "where": "create"})
    ids = submitted(world, 1)
    assert world.states() == {"unconfirmed": 1}
    cancel(world, ids)
    with world.begin() as conn:  # like a callback
        conn.execute("UPDATE attempts SET reported_task_id = %s", [tasks(gateway)[0]["id"]])
    world.reconcile()
    world.poll(within_s=0.0)
    assert world.states() == {"cancelled": 1}
    clock.now += 2 * TASK_S
    assert [task["status"] for task in tasks(gateway)] == ["cancelled"]


def test_a_cancel_request_that_is_too_late_keeps_the_video(world: World, clock: Clock) -> None:
    ids = submitted(world, 1)
    clock.now += TASK_S / 2
    cancel(world, ids)
    world.poll(within_s=0.0)
    job = world.producer.get(ids[0])
    assert (job.state, job.reason, job.cancel_request) == (S.GENERATING, "cancel_too_late", None)


@pytest.mark.parametrize("account", ["ark", "other"])
@pytest.mark.parametrize("state", ["queued", "claimed", "unconfirmed", "resubmitted", "generating", "transferring"])
def test_a_discarded_job_ends_in_every_state(
    world: World, clock: Clock, arm: Arm, gateway: str, state: str, account: str
) -> None:
    if state in ("unconfirmed", "resubmitted"):
        arm({"kind": "close_before_read", "where": "create"})
    ids = world.enqueue(1, account=account)
    claimed = world.claim() if state != "queued" else []
    if state not in ("queued", "claimed"):
        world.submit(claimed)
    if state == "resubmitted":
        people.resubmit(world.producer.database, DEFAULT_TENANT, ids[0])
    if state in ("generating", "transferring"):
        clock.now += TASK_S * (0.5 if state == "generating" else 2)
        world.poll()
    assert world.states() == {{"claimed": "queued", "resubmitted": "queued"}.get(state, state): 1}
    cancel(world, ids, discard=True)
    world.reconcile()
    world.poll(within_s=0.0)
    assert world.states() == {"cancelled": 1}
    world.submit(claimed)
    assert world.states() == {"cancelled": 1}
    assert len(tasks(gateway)) == (state in ("generating", "transferring"))


def test_a_job_discarded_during_its_post_ends_and_its_task_is_cancelled(world: World, gateway: str, arm: Arm) -> None:
    arm(
        {"kind": "slow", "where": "create", "seconds": 5},
        {"kind": "status", "where": "delete", "status": 500, "first": 1},
    )
    while_posting(world, gateway, 1, lambda ids: cancel(world, ids, discard=True))
    world.poll(within_s=0.0)
    world.poll(within_s=CANCEL.cap_s)
    assert world.states() == {"cancelled": 1}
    assert [task["status"] for task in tasks(gateway)] == ["cancelled"]


def test_a_request_to_discard_is_not_replaced_by_one_to_keep(world: World, clock: Clock) -> None:
    ids = submitted(world, 1)
    clock.now += TASK_S / 2
    cancel(world, ids, discard=True)
    cancel(world, ids)
    world.poll(within_s=0.0)
    assert world.states() == {"cancelled": 1}


def test_a_poll_from_before_the_cancel_request_writes_nothing(
    world: World, gateway: str, clock: Clock, arm: Arm
) -> None:
    ids = submitted(world, 1)
    clock.now += 2 * TASK_S
    arm({"kind": "slow", "where": "list", "seconds": 4}, {"kind": "slow", "where": "query", "seconds": 4})
    polling = threading.Thread(target=world.poll)
    polling.start()
    wait_for("the poll is under way", lambda: {"ark.list", "ark.query"} & requests(gateway).keys())
    cancel(world, ids, discard=True)
    polling.join()
    assert world.states() == {"generating": 1}
    world.poll(within_s=0.0)
    assert world.states() == {"cancelled": 1}


def test_a_cancelled_job_releases_its_reservation(world: World) -> None:
    with world.begin() as conn:
        budgets.set_budget(conn, DEFAULT_TENANT, None, Decimal(1000), "CNY")
    ids = world.enqueue(4, account="ark")
    claimed = world.claim(2)
    assert len(claimed) == 2
    with world.begin() as conn:
        assert budgets.budgets_of(conn, DEFAULT_TENANT)[0].reserved > 0
    cancel(world, ids)
    with world.begin() as conn:
        settle(conn)
        [found] = budgets.budgets_of(conn, DEFAULT_TENANT)
    assert not found.reserved and not found.spent
