"""Scheduler and worker run jobs of two tenants at a simulator; `/metrics` counts what they did."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import httpx
import pytest

from simulator.main import SimulatorOptions, running
from storage.database import Database
from storage.metrics.kept import merge_metrics
from storage.settings import Settings
from tests.integration.metrics.exposition import Scrape, documented, scrape
from tests.integration.submitting.rounds import World
from tests.simulator_client import Clock
from worker.app import app
from worker.polling.poll import poll_batch
from worker.scheduling.dispatch import Dispatcher
from worker.transferring import transfer

MODEL = "seedance"
RATE = {"price": "0.5", "per": "second", "currency": "USD", "as_of": "2026-11-01"}
ROOM = {"submit": 0, "poll": 16, "transfer": 8, "notify": 0}


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
    own = settings.model_copy(update={"allow_private_networks": True})
    account = {"gateway": "anyfast", "base_url": f"{gateway}/anyfast", "max_in_flight": 6, "rates": [RATE]}
    made = World(own, main=account)
    yield made
    made.close()


def run_due(world: World) -> None:
    """What the scheduler claims besides submits, and the workers' part of it, all due for ten seconds."""
    with world.begin() as conn:
        conn.execute("UPDATE jobs SET due_at = now() - interval '10 s' WHERE state IN ('generating', 'transferring')")
    database = Database(world.url, name="scheduler", size=1)
    dispatcher = Dispatcher(app, world.settings, database)
    with database.begin() as conn:
        batches = list(dispatcher.claim_work(conn, ROOM))
    for batch in batches:
        leases: list[tuple[UUID, int]] = [(item.id, item.claim) for item in batch.claimed]
        if batch.task == "poll":
            poll_batch(world.runtime, batch.account, leases)
        else:
            transfer.transfer_batch(world.runtime, leases)
    dispatcher.close()
    database.close()


def test_everything_that_was_done_is_counted_once(world: World, gateway: str, clock: Clock) -> None:
    httpx.put(f"{gateway}/_sim/limits", json={"requests_per_minute": None, "max_in_flight": 4}).raise_for_status()
    for tenant in ("default", "acme"):
        rows = [{"prompt": f"{tenant} {n}", "duration": 4} for n in range(3)]
        world.producer.as_tenant(tenant).enqueue_many(rows)
    world.round()
    clock.now += 61
    run_due(world)
    with world.begin() as conn:
        [waiting] = [job for job in world.jobs() if job["state"] == "queued"][:1]
    assert world.producer.as_tenant(waiting["tenant"]).cancel(waiting["id"])
    run_due(world)
    seen = scrape(world.settings)
    check(seen, world)
    with world.begin() as conn:
        assert merge_metrics(conn) > 0
    assert scrape(world.settings).samples.items() >= kept_of(seen).items(), "a merge changes no value"
    for name, labels in seen.labels():
        assert labels == documented()[name], name


def test_the_lag_of_a_message_is_counted_once_whenever_its_outcomes_are_written(
    world: World, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "GATHER_S", 0.0)
    world.enqueue(3)
    world.round()
    clock.now += 61
    run_due(world)
    run_due(world)
    seen = scrape(world.settings)
    assert seen.value("reelq_transfers_total", account="main", outcome="stored") == 3
    for queue in ("submit", "poll", "transfer"):
        assert seen.value("reelq_queue_lag_seconds_count", queue=queue) == 1, queue


def test_the_lag_of_a_message_is_counted_although_none_of_its_jobs_may_be_sent(world: World) -> None:
    (job_id,) = world.enqueue(1)
    claimed = world.claim()
    with world.begin() as conn:
        conn.execute("UPDATE jobs SET deadline_at = now() - interval '1 s' WHERE id = %s", [job_id])
    world.submit(claimed)
    assert [job["reason"] for job in world.jobs()] == ["deadline_exceeded"]
    assert scrape(world.settings).value("reelq_queue_lag_seconds_count", queue="submit") == 1


def kept_of(seen: Scrape) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    kept = ("_total", "_bucket", "_sum", "_count")
    return {sample: value for sample, value in seen.samples.items() if sample[0].endswith(kept)}


def check(seen: Scrape, world: World) -> None:
    """Compare the counters with the rows."""
    assert seen.value("reelq_submits_total", account="main", model=MODEL, outcome="accepted") == 4
    assert seen.value("reelq_submits_total", account="main", model=MODEL, outcome="throttled") == 2
    assert seen.value("reelq_submit_seconds_count", account="main", outcome="accepted") == 4
    assert seen.value("reelq_polls_total", account="main", outcome="generated") == 4
    assert seen.value("reelq_poll_lateness_seconds_count", account="main") == 4
    assert seen.value("reelq_poll_lateness_seconds_bucket", account="main", le="5") == 0, "due for ten seconds"
    assert seen.value("reelq_poll_lateness_seconds_bucket", account="main", le="60") == 4
    for queue in ("submit", "poll", "transfer"):
        assert seen.value("reelq_queue_lag_seconds_count", queue=queue) == 1, queue
    [size] = world.rows("SELECT sum(size_bytes)::bigint AS bytes FROM jobs")
    assert seen.value("reelq_transfer_bytes_total", account="main") == size["bytes"] > 0
    assert seen.value("reelq_transfers_total", account="main", outcome="stored") == 4
    assert seen.value("reelq_transfer_seconds_count", outcome="stored") == 4
    assert seen.value("reelq_found_to_stored_seconds_count", account="main") == 4
    assert seen.value("reelq_jobs_finished_total", state="succeeded", reason="stored") == 4
    assert seen.value("reelq_jobs_finished_total", state="cancelled", reason="cancelled") == 1
    spent = [value for (name, _), value in seen.samples.items() if name == "reelq_spend_total"]
    assert spent == [8.0], "four jobs of four seconds at 0.5 USD"
    assert seen.value("reelq_account_slots_configured", account="main", model="") == 6
    assert seen.value("reelq_instances", component="transfer", version="") == 0
