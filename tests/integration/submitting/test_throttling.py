"""A gateway answers "too many": the limit of the model is learnt at once, and few POSTs are refused."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from simulator.main import SimulatorOptions, running
from storage.admission.circuit_breaker import PROBES
from storage.settings import Settings
from tests.integration.submitting.rounds import World
from tests.simulator_client import Clock

MODEL = "seedance"


@pytest.fixture(scope="module")
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def gateway(clock: Clock) -> Iterator[str]:
    with running(SimulatorOptions(time="fixed", median_seconds=60, clock=clock)) as url:
        yield url


@pytest.fixture
def world(settings: Settings, gateway: str) -> Iterator[World]:
    httpx.post(f"{gateway}/_sim/reset").raise_for_status()
    made = World(settings, main={"gateway": "anyfast", "base_url": f"{gateway}/anyfast", "max_in_flight": 40})
    yield made
    made.close()


def limits(gateway: str, **of: int | None) -> None:
    httpx.put(
        f"{gateway}/_sim/limits", json={"requests_per_minute": None, "max_in_flight": None} | of
    ).raise_for_status()


def refused(world: World) -> int:
    with world.begin() as conn:
        row = conn.execute("SELECT count(*) FROM attempts WHERE outcome = 'throttled'").fetchone()
    assert row is not None
    return int(row[0])


def test_a_limit_that_was_configured_too_high_costs_one_burst(world: World, gateway: str, clock: Clock) -> None:
    limits(gateway, max_in_flight=10)
    world.enqueue(70)
    world.round()
    assert world.round() == 0, "the model is paused"
    assert (refused(world), world.account()["limit_now"]) == (30, 10)
    for _ in range(12):
        clock.now += 61  # running generations end
        world.poll()
        for _ in range(4):
            world.rest_ends()
            world.round()
    assert world.states()["queued"] == 0
    assert refused(world) < 30 + 12, "the first burst, and few more"
    assert world.account()["limit_now"] >= 10


def test_a_limit_per_minute_is_not_mistaken_for_a_slot_limit(world: World, gateway: str, clock: Clock) -> None:
    limits(gateway, requests_per_minute=20)
    world.enqueue(60)
    assert world.round() == 40
    assert (world.states()["generating"], world.account()["limit_now"]) == (20, 40)
    clock.now += 50
    with world.begin() as conn:  # they have ended
        conn.execute(
            "UPDATE jobs SET state = 'cancelled', due_at = NULL, finished_at = now() WHERE state = 'generating'"
        )
    pauses = [world.rest_s(model=MODEL)]
    for _ in range(6):
        assert world.round() == 0, "the model is paused"
        world.rest_ends()
        assert world.round() == PROBES, "few at a time"
        pauses.append(world.rest_s(model=MODEL))
    assert pauses == [1, 1, 2, 2, 3, 4, 5]
    assert (refused(world), world.account()["limit_now"]) == (20 + 6 * PROBES, 40)
    limits(gateway)
    world.rest_ends()
    assert (world.round(), world.round()) == (PROBES, 40 - PROBES), "as soon as one is accepted"


def test_a_gateway_that_refuses_each_job_once_is_not_considered_full(world: World, gateway: str) -> None:
    rules = [{"kind": "rate_limit", "where": "create", "prompt_contains": f"cat {n} ", "times": 1} for n in range(30)]
    httpx.post(f"{gateway}/_sim/faults", json=rules).raise_for_status()
    for number in range(30):
        world.enqueue(1, f"a cat {number} ")
    rounds = 0
    while world.states()["queued"]:
        world.round(10)
        world.rest_ends()
        rounds += 1
        assert rounds < 25
    assert (world.states(), refused(world)) == ({"generating": 30}, 30)
    assert world.account()["limit_now"] >= 10


def test_the_retry_time_of_a_gateway_is_obeyed(world: World, gateway: str) -> None:
    rule = {"kind": "rate_limit", "where": "create", "retry_after": 45, "times": 3}
    httpx.post(f"{gateway}/_sim/faults", json=[rule]).raise_for_status()
    world.enqueue(3)
    assert world.round() == 3
    assert world.rest_s(model=MODEL) in (44, 45)
    assert world.round() == 0
    world.rest_ends()
    assert (world.round(), world.round()) == (PROBES, 3 - PROBES)


def test_a_full_model_does_not_delay_another(world: World, gateway: str) -> None:
    rule = {"kind": "rate_limit", "where": "create", "model": "seedance", "retry_after": 600}
    httpx.post(f"{gateway}/_sim/faults", json=[rule | {"prompt_contains": "slow"}]).raise_for_status()
    world.enqueue(6, "slow", tier="standard")
    world.enqueue(6, "quick", tier="fast")
    world.round()
    world.round()
    assert world.states() == {"generating": 6, "queued": 6}
    found = {model["model"]: model["state"] for model in world.account()["models"]}
    assert found == {"seedance": "throttled"}
    assert world.account()["state"] == "ok"
