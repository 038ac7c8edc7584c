"""Lists that do not show a task which was accepted: nothing is sent again on their word."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from storage.settings import Settings
from tests.integration.submitting.doubtful_gateway import DROPPED, LOST, DoubtfulGateway, doubtful_gateway, world_at
from tests.integration.submitting.list_relay import Change, list_relay
from tests.integration.submitting.rounds import World

GRACE = {"unconfirmed_grace_seconds": 90.0}


@pytest.fixture
def gateway() -> Iterator[DoubtfulGateway]:
    with doubtful_gateway() as made:
        yield made


def settle(world: World, times: int = 4) -> None:
    """The grace ends, and everything that would be sent again is sent."""
    for _ in range(times):
        world.age(91)
        world.reconcile()
        world.round()


def paid_twice(gateway: DoubtfulGateway) -> list[str]:
    return [prompt for prompt, count in gateway.generations().items() if count > 1]


@pytest.mark.parametrize("skew_s", [-840.0, -600.0, 600.0, 840.0])
def test_a_gateway_whose_clock_is_wrong_by_minutes(settings: Settings, gateway: DoubtfulGateway, skew_s: float) -> None:
    gateway.clock.now += skew_s
    gateway.arm(LOST | {"every": 2})
    with world_at(settings, GRACE, main=gateway.account("ark")) as world:
        world.enqueue(8, seed=42)
        world.round()
        gateway.arm()
        settle(world)
        assert not paid_twice(gateway)
        assert world.states() == {"generating": 8}, "each is found by its mark"


def test_a_gateway_whose_clock_is_wrong_by_hours(settings: Settings, gateway: DoubtfulGateway) -> None:
    """No margin is enough; the tasks of which we know when they began show it."""
    gateway.clock.now -= 8 * 3600.0
    gateway.arm(LOST | {"every": 2})
    with world_at(settings, GRACE, main=gateway.account("ark")) as world:
        world.enqueue(8, seed=42)
        world.round()
        gateway.arm()
        settle(world)
        assert not paid_twice(gateway)
        assert world.states() == {"generating": 4, "unconfirmed": 4}


def _default_expiry(page: dict[str, Any]) -> dict[str, Any]:
    return page | {"items": [item | {"execution_expires_after": 172_800} for item in page["items"]]}


def _renamed(page: dict[str, Any]) -> dict[str, Any]:
    shown = _default_expiry(page)
    return shown | {"items": [item | {"model": "seedance-pro"} for item in shown["items"]]}


@pytest.mark.parametrize("change", [_default_expiry, _renamed])
def test_a_relay_that_drops_marks_when_nothing_else_is_known_of_it(
    settings: Settings, gateway: DoubtfulGateway, change: Change
) -> None:
    """The job fixes its seed, and its answer is the first one that is lost at this account."""
    gateway.arm(LOST)
    with list_relay(gateway.url, change) as url:
        relayed = replace(gateway, url=url).account("ark")
        with world_at(settings, GRACE, main=relayed) as world:
            world.enqueue(1, seed=42)
            world.round()
            gateway.arm()
            settle(world)
            assert not paid_twice(gateway)
            gateway.finish()
            settle(world)
            assert not paid_twice(gateway)
            assert [(job["state"], job["reason"]) for job in world.jobs()] == [("unconfirmed", "held")]


def test_a_list_that_does_not_show_our_own_tasks_proves_nothing(settings: Settings, gateway: DoubtfulGateway) -> None:
    """A copy that a cache has kept from before, a list of another project's tasks, or records that were removed."""
    gateway.arm(LOST | {"every": 2})

    def empty(page: dict[str, Any]) -> dict[str, Any]:
        return page | {"items": [], "total": 0}

    with list_relay(gateway.url, empty) as url:
        relayed = replace(gateway, url=url).account("ark")
        with world_at(settings, GRACE, main=relayed) as world:
            world.enqueue(4)
            world.round()
            assert world.states() == {"generating": 2, "unconfirmed": 2}
            gateway.arm()
            settle(world)
            assert not paid_twice(gateway)
            assert world.states() == {"generating": 2, "unconfirmed": 2}


def test_a_list_that_is_empty_and_does_not_say_how_long_it_is_proves_nothing(
    settings: Settings, gateway: DoubtfulGateway
) -> None:
    gateway.arm(LOST)
    with list_relay(gateway.url, lambda _: {"items": []}) as url:
        relayed = replace(gateway, url=url).account("ark")
        with world_at(settings, GRACE, main=relayed) as world:
            world.enqueue(1)
            world.round()
            gateway.arm()
            settle(world)
            assert gateway.generations() == {"a cat 0": 1}


@pytest.mark.parametrize(
    "answer",
    [(202, {"id": "request-7", "status": "accepted"}), (200, {"id": "request-7", "error": {"message": "timed out"}})],
)
def test_an_id_in_the_answer_of_something_in_between_is_no_task(
    settings: Settings, gateway: DoubtfulGateway, answer: tuple[int, dict[str, Any]]
) -> None:
    """It numbers its own requests; the task of that number would be looked for in vain, and the paid one be lost."""
    with list_relay(gateway.url, lambda page: page, answer) as url:
        relayed = replace(gateway, url=url).account("ark")
        with world_at(settings, GRACE, main=relayed) as world:
            world.enqueue(3)
            world.round()
            assert world.states() == {"unconfirmed": 3}
            world.reconcile()
            assert world.states() == {"generating": 3}
            assert {job["gateway_task_id"] for job in world.jobs()} == set(gateway.prompts())


def test_the_grace_begins_when_the_answer_was_lost(settings: Settings, gateway: DoubtfulGateway) -> None:
    """A POST that waited long for its answer may be accepted a moment after we have stopped to wait for it."""
    gateway.arm(DROPPED)
    with world_at(settings, GRACE, main=gateway.account("ark")) as world:
        world.enqueue(1)
        world.round()
        gateway.arm()
        with world.begin() as conn:  # the POST took so long that its grace would be over with it
            conn.execute("UPDATE attempts SET started_at = started_at - interval '91 s'")
        world.reconcile()
        assert world.states() == {"unconfirmed": 1}
        world.age(91)
        world.reconcile()
        assert world.states() == {"queued": 1}
