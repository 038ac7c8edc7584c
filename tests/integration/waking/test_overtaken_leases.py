"""A callback or a request to cancel makes a job due at once, although a worker still has its lease. What that worker
learned before then must not put the job off again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest

from storage.database import Connection
from storage.jobs import callbacks, claims, transitions
from storage.jobs.reasons import Reason
from storage.jobs.records import Postponement
from storage.leases import Claimed
from storage.settings import Settings
from tests.integration.submitting.doubtful_gateway import LOST, DoubtfulGateway, doubtful_gateway, world_at
from tests.integration.submitting.rounds import LEASE_S, World
from tests.waiting import PATIENCE_S, wait_for
from worker.polling.reconcile import reconcile_batch

TOKEN = "token"
Overtake = Callable[[Connection, UUID], object]


@pytest.fixture
def gateway() -> Iterator[DoubtfulGateway]:
    with doubtful_gateway() as made:
        yield made


@pytest.fixture
def world(settings: Settings, gateway: DoubtfulGateway) -> Iterator[World]:
    near = {"allow_private_networks": True}
    with world_at(settings, near, main=gateway.account("evolink")) as made:  # it cannot list its tasks
        yield made


def submitted(world: World) -> None:
    """A job at the gateway, with a callback token."""
    world.enqueue(1, webhook_url="http://127.0.0.1:9/hook")
    world.round()
    with world.begin() as conn:
        conn.execute("UPDATE attempts SET callback_hash = %s", [callbacks.hash_token(TOKEN)])


def leased(world: World, claim: Callable[[Connection, int, float], list[Claimed]]) -> Claimed:
    with world.begin() as conn:
        conn.execute("UPDATE jobs SET due_at = now()")
        [found] = claim(conn, 1, LEASE_S)
    return found


def call_back(conn: Connection, _: UUID) -> None:
    assert callbacks.hint(conn, "evolink", TOKEN, "task-1") is not None


def cancel(conn: Connection, job_id: UUID) -> None:
    assert transitions.request_cancel(conn, job_id, "keep")


def is_due(world: World) -> bool:
    [row] = world.rows("SELECT due_at <= now() AS due FROM jobs")
    return bool(row["due"])


@pytest.mark.parametrize("overtake", [call_back, cancel])
@pytest.mark.parametrize("state", ["generating", "unconfirmed"])
def test_the_lease_ends_when_the_job_becomes_due_at_once(
    world: World, gateway: DoubtfulGateway, state: str, overtake: Overtake
) -> None:
    gateway.arm(*[LOST] if state == "unconfirmed" else [])
    submitted(world)
    assert world.states() == {state: 1}
    held = leased(world, claims.claim_unconfirmed if state == "unconfirmed" else claims.claim_polls)
    with world.begin() as conn:
        overtake(conn, held.id)
    with world.begin() as conn:
        later = Postponement(held.id, held.claim, LEASE_S, Reason.GENERATING)
        assert not transitions.postpone(conn, [later])
        assert not claims.renew(conn, [(held.id, held.claim)], LEASE_S)
    assert is_due(world)


def test_no_webhook_tells_of_a_hold_that_a_callback_has_overtaken(world: World, gateway: DoubtfulGateway) -> None:
    gateway.arm(LOST)
    submitted(world)
    held = leased(world, claims.claim_unconfirmed)
    with ThreadPoolExecutor(1) as pool:
        with world.begin() as conn:
            call_back(conn, held.id)
            looking = pool.submit(reconcile_batch, world.runtime, "main", [(held.id, held.claim)])
            wait_for("the look waits for the job", lambda: world.rows("SELECT 1 FROM pg_locks WHERE NOT granted"))
        looking.result(PATIENCE_S)
    assert is_due(world)
    assert world.rows("SELECT type FROM webhook_messages") == []
