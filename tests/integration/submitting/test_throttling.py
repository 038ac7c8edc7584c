"""A gateway that says "too many": its limit is learnt at once, and few POSTs are refused."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import pytest

from simulator.main import SimulatorOptions, running
from storage.admission.slot_limits import probes
from storage.database import connect
from storage.settings import Settings
from tests.integration.submitting.rounds import World


@pytest.fixture(scope="module")
def gateway() -> Iterator[str]:
    with running(SimulatorOptions(median_seconds=60)) as url:
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
    with connect(world.url) as conn:
        row = conn.execute("SELECT count(*) FROM attempts WHERE outcome = 'throttled'").fetchone()
    assert row is not None
    return int(row[0])


def pause(world: World) -> int:
    with connect(world.url) as conn:
        row = conn.execute(
            "SELECT round(extract(epoch FROM throttled_until - updated_at)) FROM account_states"
        ).fetchone()
    assert row is not None
    return int(row[0])


def test_a_limit_that_was_configured_too_high_costs_one_burst(world: World, gateway: str) -> None:
    httpx.put(f"{gateway}/_sim/timing", json={"kind": "fixed", "median_s": 1.0}).raise_for_status()
    limits(gateway, max_in_flight=10)
    world.enqueue(70)
    world.round()
    until = time.monotonic() + 60
    while world.states()["queued"] > 20:
        assert time.monotonic() < until
        world.pause_ends()
        world.round()
        world.poll()
        time.sleep(0.05)
    assert refused(world) < 30 + 10, "the first burst, and hardly more"
    assert world.account()["limit_now"] >= 10
    assert world.account()["limit_since"] is not None


def test_requests_per_minute_are_waited_for_and_not_taken_for_slots(world: World, gateway: str) -> None:
    limits(gateway, requests_per_minute=20)
    world.enqueue(60)
    assert world.round() == 40
    assert (world.states()["generating"], world.account()["limit_now"]) == (20, 40)
    with connect(world.url) as conn:  # they have ended
        conn.execute(
            "UPDATE jobs SET state = 'cancelled', due_at = NULL, finished_at = now() WHERE state = 'generating'"
        )
    pauses = [pause(world)]
    for _ in range(6):
        assert world.round() == 0
        world.pause_ends()
        assert world.round() == probes(len(pauses), 40), "few at a time"
        pauses.append(pause(world))
    assert pauses == [1, 1, 2, 2, 3, 4, 5]
    assert (refused(world), world.account()["limit_now"]) == (20 + 20 + 10 + 5 + 3 * 2, 40)
    limits(gateway)
    world.pause_ends()
    assert (world.round(), world.round()) == (2, 38), "as soon as one is accepted"


def test_a_gateway_that_refuses_each_job_once_is_not_taken_for_full(world: World, gateway: str) -> None:
    rules = [{"kind": "rate_limit", "where": "create", "prompt_contains": f"cat {n} ", "times": 1} for n in range(30)]
    httpx.post(f"{gateway}/_sim/faults", json=rules).raise_for_status()
    for number in range(30):
        world.enqueue(1, f"a cat {number} ")
    rounds = 0
    while world.states()["queued"]:
        world.round(10)
        world.pause_ends()
        rounds += 1
        assert rounds < 25
    assert (world.states(), refused(world)) == ({"generating": 30}, 30)
    assert world.account()["limit_now"] >= 10


def test_the_time_that_a_gateway_names_is_kept(world: World, gateway: str) -> None:
    rule = {"kind": "rate_limit", "where": "create", "retry_after": 45, "times": 3}
    httpx.post(f"{gateway}/_sim/faults", json=[rule]).raise_for_status()
    world.enqueue(3)
    assert world.round() == 3
    assert pause(world) in (44, 45)
    assert world.round() == 0
    world.pause_ends()
    assert world.round() == 3
