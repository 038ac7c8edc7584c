"""A gateway that is down for an hour fails no job and is paused; so is a model that a key may not use.

Uses the functions of scheduler and worker, a real PostgreSQL, and the simulator.
"""

from __future__ import annotations

import json
import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from producer.operator_actions import job_actions as people
from seedance.client import GatewayClient
from simulator.main import SimulatorOptions, running
from storage.accounts import changes
from storage.admission.circuit_breaker import DOUBTFUL_PROBES, JOBS_IN_A_ROW, PROBES
from storage.jobs.states import JobState
from storage.jobs.work import load_work
from storage.leases import Claimed
from storage.reporting import gauges
from storage.settings import Settings
from storage.tenants.tenants import DEFAULT_TENANT
from tests.integration.submitting.rounds import World
from tests.tcp_door import held_door
from tests.waiting import PATIENCE_S, wait_for
from worker.submitting.decisions import MAX_INPUT_NOT_READY

S = JobState
CLOSED = {"kind": "status", "where": "create", "status": 401, "code": "", "message": "invalid token"}
NO_ROUTE = {"kind": "status", "where": "create", "status": 404, "body": "proxy"}
NOT_FETCHED = {
    "error": {"code": "InvalidParameter", "message": "timeout while fetching resource", "type": "BadRequest"}
}
SLOW_FILE = {
    "kind": "status",
    "where": "create",
    "status": 400,
    "code": "fail_to_fetch_task",
    "message": json.dumps(NOT_FETCHED),
}
BROKEN = {"kind": "status", "where": "create", "status": 502, "body": "html"}
Make = Callable[..., World]
Arm = Callable[..., None]


@pytest.fixture(scope="module")
def gateway() -> Iterator[str]:
    with running(SimulatorOptions(median_seconds=60)) as url:
        yield url


@pytest.fixture
def arm(gateway: str) -> Iterator[Arm]:
    def set_rules(*rules: dict[str, Any]) -> None:
        httpx.delete(f"{gateway}/_sim/faults").raise_for_status()
        if rules:
            httpx.post(f"{gateway}/_sim/faults", json=list(rules)).raise_for_status()

    yield set_rules
    set_rules()


@pytest.fixture
def make(settings: Settings, gateway: str) -> Iterator[Make]:
    worlds: list[World] = []

    def world(**accounts: dict[str, Any]) -> World:
        main = {"gateway": "anyfast", "base_url": f"{gateway}/anyfast"}
        worlds.append(World(settings, **(accounts or {"main": main})))
        return worlds[-1]

    yield world
    for made in worlds:
        made.close()


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]


def test_an_hour_of_refused_connections_fails_nothing(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with running(SimulatorOptions(median_seconds=60)) as url:
        world = World(settings, main={"gateway": "anyfast", "base_url": f"{url}/anyfast"})
        world.enqueue(60)
        assert world.round(20) == 20
    try:
        before = world.attempts()
        assert world.round(10) == 10
        found = world.account()
        assert (found["state"], found["error"]["code"], found["in_flight"]) == ("outage", "not_sent", 20)
        assert found["suspended_since"] <= found["suspended_until"]
        with world.begin() as conn:
            assert gauges.read_gauges(conn, 3600.0).paused == {("main", "", "outage"): 1}
        pauses = []
        for number in range(20):
            pauses.append(world.rest_s())
            assert world.round() == 0, "it is paused"
            world.rest_ends()
            assert world.account()["state"] == "outage", "also while it is half open"
            assert world.round() == PROBES, f"few at a time, probe {number}"
        assert pauses[:14] == [1, 1, 2, 2, 2, 3, 4, 5, 6, 7, 9, 12, 15, 15]
        assert world.attempts() - before == 10 + 20 * PROBES
        assert world.states() == {"generating": 20, "queued": 40}, "no job has failed"
        assert len(errors(caplog)) == 1, "logged once, not for each job"
        with running(SimulatorOptions(median_seconds=60, port=urlsplit(url).port or 0)):
            world.rest_ends()
            assert world.round() == PROBES
            assert world.round() == 40 - PROBES, "the first acceptance closes it"
        assert world.states() == {"generating": 60}
        assert (world.account()["state"], world.account()["suspended_since"]) == ("ok", None)
    finally:
        world.close()


def test_a_gateway_that_gives_no_clear_answers_gets_no_more_jobs(make: Make, arm: Arm) -> None:
    """Each of these may have been accepted and needs a person: the fewer the better."""
    world = make()
    world.enqueue(50)
    arm(BROKEN)
    world.round(5)
    assert world.states() == {"unconfirmed": 5, "queued": 45}
    for _ in range(5):
        assert world.round() == 0
        world.rest_ends()
        assert world.round() == DOUBTFUL_PROBES
    assert world.states() == {"unconfirmed": 10, "queued": 40}
    arm()
    world.rest_ends()
    world.round()
    world.round()
    assert world.states() == {"unconfirmed": 10, "generating": 40}


def test_an_hour_without_a_route_fails_nothing(make: Make, arm: Arm, caplog: pytest.LogCaptureFixture) -> None:
    """The answer may be wrong and cost a generation, so only one job at a time is tried."""
    world = make()
    world.enqueue(40)
    arm(NO_ROUTE)
    assert world.round(10) == 10
    found = world.account()
    assert (found["state"], found["error"]["code"]) == ("misrouted", "not_served")
    assert "no Route matched with those values" in found["error"]["message"]
    pauses = []
    for _ in range(10):
        pauses.append(world.rest_s())
        assert world.round() == 0, "it is paused"
        world.rest_ends()
        assert world.round() == DOUBTFUL_PROBES
    assert pauses == [5, 10, 20, 40, 80, 120, 120, 120, 120, 120]
    assert world.states() == {"queued": 40}, "no job has failed"
    assert len(errors(caplog)) == 1, "logged once, not for each job"
    arm()
    world.rest_ends()
    assert world.round() == DOUBTFUL_PROBES
    assert world.round() == 40 - DOUBTFUL_PROBES, "the first acceptance closes it"
    assert world.states() == {"generating": 40}


def test_a_single_job_also_waits_for_the_route(make: Make, arm: Arm) -> None:
    world = make()
    [alone] = world.enqueue(1)
    arm(NO_ROUTE)
    for _ in range(20):
        world.round()
        world.rest_ends()
    waiting = world.producer.get(alone)
    assert (waiting.state, waiting.reason) == (S.QUEUED, "not_served")
    arm()
    world.round()
    assert world.states() == {"generating": 1}


def test_a_firewall_page_for_some_prompts_does_not_stop_the_others(make: Make, arm: Arm) -> None:
    """A firewall that blocks a word answers like this."""
    world = make()
    arm({"kind": "status", "where": "create", "status": 403, "body": "html", "prompt_contains": "poison"})
    world.enqueue(6, "poison", priority=9)
    world.enqueue(10)
    for _ in range(20):
        world.round()
        world.rest_ends()
    assert world.states() == {"queued": 6, "generating": 10}


def test_a_file_that_the_gateway_cannot_fetch_fails_only_its_job(make: Make, arm: Arm) -> None:
    world = make()
    arm(SLOW_FILE | {"prompt_contains": "poison"})
    poison = world.enqueue(6, "poison", priority=9)
    for _ in range(MAX_INPUT_NOT_READY):
        world.enqueue(1)
        assert world.round() == 7
        assert world.account()["state"] == "ok", "that is not the gateway's fault"
    assert world.states() == {"failed": 6, "generating": MAX_INPUT_NOT_READY}
    assert (world.producer.get(poison[0]).error or {})["code"] == "input_not_ready"


def test_a_model_that_gives_no_clear_answers_does_not_stop_the_others(make: Make, arm: Arm) -> None:
    world = make()
    arm(BROKEN | {"model": "seedance-fast"})
    for _ in range(JOBS_IN_A_ROW):
        world.enqueue(1, tier="fast")
        world.enqueue(1)
        world.round()
    world.enqueue(20, tier="fast")
    world.round()
    assert world.account()["state"] == "ok"
    assert [(model["model"], model["state"]) for model in world.account()["models"]] == [("seedance-fast", "outage")]
    assert world.states() == {"generating": JOBS_IN_A_ROW, "unconfirmed": JOBS_IN_A_ROW, "queued": 20}


def test_a_refused_key_stops_the_account_and_fails_nothing(make: Make, arm: Arm) -> None:
    world = make()
    world.enqueue(30)
    arm(CLOSED)
    assert world.round(5) == 5
    found = world.account()
    assert (found["state"], found["error"]["code"]) == ("suspended", "account_problem")
    assert world.round() == 0
    world.rest_ends()
    assert world.round() == PROBES
    arm()
    world.rest_ends()
    world.round()
    world.round()
    assert world.states() == {"generating": 30}


def test_jobs_that_always_fail_do_not_keep_the_account_paused(make: Make, arm: Arm) -> None:
    """The probes are one job that was refused before and one that was not."""
    world = make()
    arm(CLOSED | {"prompt_contains": "poison"})
    world.enqueue(4, "poison", priority=9)
    world.round()
    assert world.account()["state"] == "suspended", "nothing shows yet that only these jobs fail"
    world.enqueue(3)
    world.rest_ends()
    assert world.round() == PROBES
    assert world.states()["generating"] == 1
    for _ in range(10):
        world.rest_ends()
        world.round()
    assert world.states()["generating"] == 3


def test_attempts_that_were_not_tried_are_no_outage(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    world = make()
    world.enqueue(10)
    monkeypatch.setattr("worker.submitting.submit.boottime_s", lambda: 1e9)
    assert world.round() == 10
    monkeypatch.undo()
    assert world.account()["state"] == "ok"
    with world.begin() as conn:
        assert conn.execute("SELECT DISTINCT outcome FROM attempts").fetchall() == [("not_tried",)]
    world.round()
    assert world.states() == {"generating": 10}


def test_two_workers_open_one_breaker(make: Make, arm: Arm, caplog: pytest.LogCaptureFixture) -> None:
    world = make()
    world.enqueue(40)
    arm(CLOSED)
    claimed = world.claim(40)
    start = threading.Barrier(4)

    def work(mine: list[Claimed]) -> None:
        start.wait()
        world.submit(mine)

    threads = [threading.Thread(target=work, args=(claimed[number::4],)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = world.breaker()
    assert found is not None
    assert (found.openings, len(errors(caplog))) == (1, 1)
    assert world.states() == {"queued": 40}


def test_posts_from_before_a_breaker_opened_neither_lengthen_nor_end_its_pause(make: Make, arm: Arm) -> None:
    world = make()
    world.enqueue(8)
    early, late = (claimed := world.claim(8))[:4], claimed[4:]
    with world.begin() as conn:  # like those of a slow worker
        conn.execute("UPDATE jobs SET due_at = now() + interval '1 h' WHERE id = ANY(%s)", [[item.id for item in late]])
    arm(CLOSED)
    world.submit(early)
    opened = world.breaker()
    world.submit(late[:2])  # while it is open
    assert world.breaker() == opened
    arm()
    world.submit(late[2:3])
    world.rest_ends()
    assert world.round() <= PROBES - 1, "one of the late jobs is not submitted yet and occupies a probe's slot"
    found = world.breaker()
    assert found is not None and (found.openings, found.is_open) == (1, False), "the accepted job was sent before"
    world.submit(late[3:])
    assert world.round() > 0, "an accepted job that was sent later closes it"
    assert world.breaker() is None


def test_jobs_go_to_an_account_whose_gateway_works(make: Make, arm: Arm, gateway: str) -> None:
    first = {"gateway": "anyfast", "base_url": f"{gateway}/anyfast"}
    world = make(main=first, second={"gateway": "evolink", "base_url": f"{gateway}/evolink"})
    world.enqueue(30)
    arm(CLOSED | {"gateway": "anyfast"})
    for _ in range(3):
        world.round(10)
    assert world.states() == {"generating": 30}
    assert (world.account()["state"], world.account("second")["in_flight"]) == ("suspended", 30)


def test_resume_closes_a_breaker_and_waiting_jobs_can_be_cancelled_or_expire(make: Make, arm: Arm) -> None:
    world = make()
    world.enqueue(6)
    [expired] = world.enqueue(1, "late", deadline=3600)
    arm(CLOSED)
    world.round(5)
    world.rest_ends()
    with world.begin() as conn:
        conn.execute("UPDATE jobs SET due_at = now()")
    probe, *probes = world.claim()
    assert len(probes) == PROBES - 1
    with world.begin() as conn:
        held = load_work(conn, S.QUEUED, [(probe.id, probe.claim)])
        assert len(held) == 1
    people.cancel(world.producer.database, DEFAULT_TENANT, probe.id)
    assert world.producer.get(probe.id).state is S.CANCELLED
    world.submit([probe])
    [next_probe] = world.claim()
    assert next_probe.id != probe.id, "the next is tried at once"
    with world.begin() as conn:
        conn.execute("UPDATE jobs SET deadline_at = now() - interval '1 s' WHERE id = %s", [expired])
    world.submit([*probes, next_probe])
    world.round()
    assert (world.producer.get(expired).error or {})["code"] == "deadline_exceeded"
    assert world.account()["state"] == "suspended"
    arm()
    with world.begin() as conn:
        changes.resume_account(conn, "main")
    assert world.account()["state"] == "ok"
    world.round()
    counts = Counter(world.states())
    assert counts["queued"] == 0 and counts["cancelled"] == 1


@pytest.mark.parametrize("directly", [True, None])
def test_posts_that_waited_for_a_connection_in_vain_say_nothing_about_the_gateway(
    make: Make, gateway: str, monkeypatch: pytest.MonkeyPatch, *, directly: bool | None
) -> None:
    """A gateway that takes long for each POST was rested as if it were down."""
    monkeypatch.setattr("worker.runtime.GatewayClient", partial(GatewayClient, max_connections=2))
    monkeypatch.setattr("seedance.client.CONNECT_TIMEOUT_S", 1.5)
    monkeypatch.setattr(GatewayClient, "_reads_directly", directly)
    others = 2 * JOBS_IN_A_ROW
    with held_door(gateway) as held:
        world = make(main={"gateway": "anyfast", "base_url": f"{held.url}/anyfast"})
        world.enqueue(2 + others)
        submitting = threading.Thread(target=world.round, daemon=True)
        submitting.start()
        wait_for("the others have given up", lambda: outcomes(world) == {None: 2, "not_tried": others})
        held.go_on.set()
        submitting.join(PATIENCE_S)
        assert (outcomes(world), world.breaker()) == ({"accepted": 2, "not_tried": others}, None)
        monkeypatch.undo()
        world.round()
        assert world.states() == {"generating": 2 + others}


def outcomes(world: World) -> Counter[str | None]:
    return Counter(row["outcome"] for row in world.rows("SELECT outcome FROM attempts"))
