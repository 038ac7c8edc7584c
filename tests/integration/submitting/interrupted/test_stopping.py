"""A worker that is asked to stop finishes the POSTs that it has begun, and begins no others: they would be cut off."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from storage.settings import Settings
from tests.integration.submitting.doubtful_gateway import DoubtfulGateway, doubtful_gateway, world_at
from tests.integration.submitting.rounds import World
from tests.tcp_door import HeldDoor, held_door
from tests.waiting import PATIENCE_S, is_waited_for, wait_for
from worker.submitting import under_way
from worker.submitting.submit import submit_batch
from worker.submitting.under_way import UnderWay

JOBS = 3


@pytest.fixture
def gateway() -> Iterator[DoubtfulGateway]:
    with doubtful_gateway() as made:
        yield made


@pytest.fixture
def held(gateway: DoubtfulGateway) -> Iterator[HeldDoor]:
    with held_door(gateway.url) as made:
        yield made


@pytest.fixture
def world(settings: Settings, held: HeldDoor) -> Iterator[World]:
    with world_at(settings, main={"gateway": "anyfast", "base_url": f"{held.url}/anyfast"}) as made:
        yield made


def test_a_message_that_waits_for_others_is_given_back_when_the_worker_must_end(
    world: World, gateway: DoubtfulGateway, held: HeldDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was begun once the others had their answers, and cut off with its POSTs under way: paid for, and held."""
    monkeypatch.setattr(under_way, "MOST_JOBS", JOBS)
    world.enqueue(2 * JOBS)
    leases = [(item.id, item.claim) for item in world.claim()]
    assert len(leases) == 2 * JOBS
    first, second = (
        threading.Thread(target=submit_batch, args=(world.runtime, "main", mine))
        for mine in (leases[:JOBS], leases[JOBS:])
    )
    first.start()
    wait_for("the first POSTs are under way", lambda: world.states() == {"submitting": JOBS, "queued": JOBS})
    second.start()
    wait_for("the others wait for them", lambda: is_waited_for(world.runtime.part(UnderWay)._fewer))
    world.runtime.drain(PATIENCE_S)
    second.join(PATIENCE_S)
    assert world.states() == {"submitting": JOBS, "queued": JOBS}, "it does not wait for the answers of the others"
    held.go_on.set()
    first.join(PATIENCE_S)
    assert world.states() == {"generating": JOBS, "queued": JOBS}, "what was paid for is written down"
    assert (world.attempts(), len(gateway.prompts())) == (JOBS, JOBS)
    assert len(world.claim()) == JOBS, "other workers may go on at once"


def test_a_message_that_comes_after_the_request_to_stop_is_given_back(
    world: World, gateway: DoubtfulGateway, held: HeldDoor
) -> None:
    held.go_on.set()
    world.enqueue(JOBS)
    claimed = world.claim()
    world.runtime.drain(PATIENCE_S)
    world.submit(claimed)
    assert (world.states(), world.attempts(), gateway.prompts()) == ({"queued": JOBS}, 0, {})
    assert len(world.claim()) == JOBS
