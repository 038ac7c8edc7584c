"""A gateway that is away for an hour fails nothing and is left alone; a job that fails by itself still fails.

Scheduler's and worker's own functions, a real PostgreSQL, the simulator.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from producer.operator_actions import job_actions as people
from simulator.main import SimulatorOptions, running
from storage.admission import accounts, circuit_breaker
from storage.admission.usage import PROBES_AWAY
from storage.database import connect
from storage.jobs.states import JobState
from storage.jobs.work import load_work
from storage.leases import Claimed
from storage.reporting import gauges
from storage.settings import Settings
from storage.tenants.tenants import DEFAULT_TENANT
from tests.integration.submitting.rounds import World
from worker.submitting.decisions import MAX_UNAVAILABLE

S = JobState
AWAY = {"kind": "status", "where": "create", "status": 404, "body": "proxy"}
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
Make = Callable[..., World]


@pytest.fixture(scope="module")
def gateway() -> Iterator[str]:
    with running(SimulatorOptions(median_seconds=60)) as url:
        yield url


@pytest.fixture
def arm(gateway: str) -> Iterator[Callable[..., None]]:
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


def begun(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was said as loudly as it gets."""
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]


def test_an_hour_without_a_route_fails_nothing(
    make: Make, arm: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    world = make()
    world.enqueue(60)
    assert world.round(20) == 20
    assert world.states() == {"generating": 20, "queued": 40}
    arm(AWAY)
    before = world.attempts()
    assert world.round(10) == 10
    found = world.account()
    assert (found["state"], found["error"]["code"], found["in_flight"]) == ("outage", "not_served", 20)
    assert "no Route matched with those values" in found["error"]["message"]
    assert found["suspended_since"] <= found["suspended_until"]
    with connect(world.url) as conn:
        assert gauges.read_gauges(conn).paused["main"] == (0, 0, 1)
    rests = []
    for number in range(10):
        rests.append(world.rest_s())
        assert world.round() == 0, "it is left alone"
        world.rest_ends()
        assert world.account()["state"] == "outage", "also while it is tried"
        assert world.round() == 1, f"one at a time: an answer that lies costs a generation, probe {number}"
    assert rests == [5, 10, 20, 40, 80, 120, 120, 120, 120, 120]
    assert world.attempts() - before == 10 + 10
    assert world.states() == {"generating": 20, "queued": 40}, "it has failed nothing"
    assert len(begun(caplog)) == 1, "said once, not for each job"
    arm()
    world.rest_ends()
    assert world.round() == 1
    assert world.round() == 39, "the first that is accepted ends it"
    assert world.states() == {"generating": 60}
    assert (world.account()["state"], world.account()["suspended_since"]) == ("ok", None)
    with connect(world.url) as conn:
        assert conn.execute("SELECT max(refusals), max(setbacks) FROM jobs").fetchone() == (0, 0)


def test_refused_connections_are_an_outage_too(settings: Settings) -> None:
    with running(SimulatorOptions(median_seconds=60)) as url:
        world = World(settings, main={"gateway": "anyfast", "base_url": f"{url}/anyfast"})
        world.enqueue(30)
        world.round(5)
    try:
        before = world.attempts()
        for _ in range(12):
            world.round(10)
            world.rest_ends()
        assert world.attempts() - before == 10 + 11 * PROBES_AWAY
        assert (world.account()["state"], world.account()["error"]["code"]) == ("outage", "not_sent")
        with running(SimulatorOptions(median_seconds=60, port=urlsplit(url).port or 0)):
            world.round()
            world.round()
            assert world.states() == {"generating": 30}
    finally:
        world.close()


def test_jobs_all_alone_wait_for_the_route_as_well(make: Make, arm: Callable[..., None]) -> None:
    world = make()
    arm(AWAY)
    [alone] = world.enqueue(1)
    for _ in range(2 * MAX_UNAVAILABLE):
        assert world.account()["state"] == "ok"
        world.round()
    waiting = world.producer.get(alone)
    assert (waiting.state, waiting.reason) == (S.QUEUED, "not_served")
    arm()
    world.round()
    assert world.states() == {"generating": 1}


def test_a_file_that_the_gateway_never_gets_fails_its_job_in_the_end(make: Make, arm: Callable[..., None]) -> None:
    world = make()
    arm(SLOW_FILE | {"prompt_contains": "poison"})
    poison = world.enqueue(6, "poison", priority=9)
    for _ in range(MAX_UNAVAILABLE):
        world.enqueue(1)
        assert world.round() == 7
        assert world.account()["state"] == "ok", "that says nothing of the gateway"
    assert world.states() == {"failed": 6, "generating": MAX_UNAVAILABLE}
    assert (world.producer.get(poison[0]).error or {})["code"] == "input_not_ready"


def test_a_page_for_some_prompts_does_not_stop_the_others(make: Make, arm: Callable[..., None]) -> None:
    """As a firewall answers that dislikes a word."""
    world = make()
    arm({"kind": "status", "where": "create", "status": 403, "body": "html", "prompt_contains": "poison"})
    world.enqueue(6, "poison", priority=9)
    world.enqueue(10)
    for _ in range(MAX_UNAVAILABLE):
        world.round()
        assert world.account()["state"] == "ok"
    assert world.states() == {"queued": 6, "generating": 10}


def test_jobs_that_fail_by_themselves_do_not_keep_the_account_from_others(make: Make, arm: Callable[..., None]) -> None:
    world = make()
    arm(AWAY | {"prompt_contains": "poison"})
    world.enqueue(4, "poison", priority=9)
    world.round()
    assert world.account()["state"] == "outage", "for all that is known"
    world.enqueue(3)
    world.rest_ends()
    assert world.round() == 1
    assert world.states() == {"generating": 1, "queued": 6}, "one that has not failed is the probe"
    world.round()
    assert world.states()["generating"] == 3


def test_what_says_nothing_about_the_gateway_is_no_outage(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    world = make()
    world.enqueue(10)
    monkeypatch.setattr("worker.submitting.submit.boottime_s", iter([0.0, *[1e9] * 10]).__next__)
    assert world.round() == 10
    monkeypatch.undo()
    assert world.account()["state"] == "ok"
    with connect(world.url) as conn:
        assert conn.execute("SELECT DISTINCT outcome FROM attempts").fetchall() == [("not_tried",)]
    world.round()
    assert world.states() == {"generating": 10}


def test_two_workers_begin_one_outage(make: Make, arm: Callable[..., None], caplog: pytest.LogCaptureFixture) -> None:
    world = make()
    world.enqueue(40)
    arm(AWAY)
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
    assert (world.rests(), world.rest_s(), len(begun(caplog))) == (1, 5, 1)
    assert world.states() == {"queued": 40}


def test_what_was_posted_before_the_rest_neither_lengthens_nor_ends_it(make: Make, arm: Callable[..., None]) -> None:
    world = make()
    world.enqueue(8)
    early, late = (claimed := world.claim(8))[:4], claimed[4:]
    with connect(world.url) as conn:  # as those of a slow worker
        moved = {item.id: item.claim for item in late}
        conn.execute("UPDATE jobs SET due_at = now() + interval '1 h' WHERE id = ANY(%s)", [list(moved)])
    arm(AWAY)
    world.submit(early)
    assert world.rests() == 1
    world.submit(late[:2])  # during the rest
    arm()
    world.submit(late[2:3])
    world.rest_ends()
    with connect(world.url) as conn:
        numbers = [(item.id, 1) for item in late[:2]]
        conn.execute("UPDATE attempts SET outcome = NULL, finished_at = NULL WHERE job_id = ANY(%s)", [[late[0].id]])
        found = circuit_breaker.blame(conn, "main", numbers, {"code": "not_served"}, accepted=False)
    assert (found.account, found.rest) == (True, None)
    assert (world.account()["state"], world.rests()) == ("outage", 1)
    assert len(world.claim()) == 0, "one of them has not been submitted yet, and holds the probe's slot"
    world.submit(late[3:])
    assert world.account()["state"] == "outage"
    assert world.round() > 1, "but a job that is sent after the rest and accepted does end it"


def test_jobs_go_to_an_account_whose_gateway_is_there(make: Make, arm: Callable[..., None], gateway: str) -> None:
    first = {"gateway": "anyfast", "base_url": f"{gateway}/anyfast"}
    world = make(main=first, second={"gateway": "evolink", "base_url": f"{gateway}/evolink"})
    world.enqueue(30)
    arm(AWAY | {"gateway": "anyfast"})
    for _ in range(3):
        world.round(10)
    assert world.states() == {"generating": 30}
    assert (world.account()["state"], world.account("second")["in_flight"]) == ("outage", 30)


def test_resume_ends_it_and_what_waits_can_be_cancelled_and_expires(make: Make, arm: Callable[..., None]) -> None:
    world = make()
    world.enqueue(6)
    [expired] = world.enqueue(1, "late", deadline=3600)
    arm(AWAY)
    world.round(5)
    world.rest_ends()
    with connect(world.url) as conn:
        conn.execute("UPDATE jobs SET due_at = now()")
    [probe] = world.claim()
    with connect(world.url) as conn:
        held = load_work(conn, S.QUEUED, [(probe.id, probe.claim)])
        assert len(held) == 1
    people.cancel(world.producer.database, DEFAULT_TENANT, probe.id)
    assert world.producer.get(probe.id).state is S.CANCELLED
    world.submit([probe])
    [next_probe] = world.claim()
    assert next_probe.id != probe.id, "the next is tried at once"
    with connect(world.url) as conn:
        conn.execute("UPDATE jobs SET deadline_at = now() - interval '1 s' WHERE id = %s", [expired])
    world.submit([next_probe])
    world.round()
    assert (world.producer.get(expired).error or {})["code"] == "deadline_exceeded"
    assert world.account()["state"] == "outage"
    arm()
    with connect(world.url) as conn:
        accounts.resume(conn, "main")
    assert world.account()["state"] == "ok"
    assert world.round() == 5
    assert world.states() == {"generating": 5, "cancelled": 1, "failed": 1}


def test_a_gateway_that_gives_no_clear_answers_gets_no_more_jobs(make: Make, arm: Callable[..., None]) -> None:
    """Each of these may have been taken, so that a person must look at them: the fewer the better."""
    world = make()
    world.enqueue(50)
    arm({"kind": "status", "where": "create", "status": 502, "body": "html"})
    world.round(5)
    assert world.states() == {"unconfirmed": 5, "queued": 45}
    for _ in range(5):
        assert world.round() == 0
        world.rest_ends()
        assert world.round() == 1
    assert world.states() == {"unconfirmed": 10, "queued": 40}
    arm()
    world.rest_ends()
    world.round()
    world.round()
    assert world.states() == {"unconfirmed": 10, "generating": 40}
