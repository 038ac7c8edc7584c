"""A job belongs to the trace of the request that enqueued it, over the database to gateway, bucket and receiver."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import httpx
import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from simulator.main import SimulatorOptions, running
from storage.settings import Settings
from storage.tracing import spans
from storage.webhooks.delivery import claim_messages
from tests.integration.api.api_server import serving
from tests.integration.submitting.rounds import World
from tests.simulator_client import Clock
from tests.webhook_receiver import Receiver, receiving
from worker.webhooks import deliver

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
PROMPT = "a secret boat"


@pytest.fixture(scope="module")
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def gateway(clock: Clock) -> Iterator[str]:
    with running(SimulatorOptions(time="fixed", median_seconds=60, clock=clock)) as url:
        yield url


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


@pytest.fixture
def world(settings: Settings, gateway: str) -> Iterator[World]:
    httpx.post(f"{gateway}/_sim/reset").raise_for_status()
    more = {"allow_private_networks": True, "webhook_secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
    own = Settings.model_validate(settings.model_dump() | more)
    made = World(own, main={"gateway": "anyfast", "base_url": f"{gateway}/anyfast"})
    yield made
    made.close()


@pytest.fixture
def recorded() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    spans.record_with(SimpleSpanProcessor(exporter), "reelq-test")
    yield exporter
    spans.stop_recording()


def run_one(world: World, clock: Clock, receiver: Receiver, traceparent: str | None) -> UUID:
    """One job through the API to its webhook."""
    headers = {} if traceparent is None else {"traceparent": traceparent}
    body = {"prompt": PROMPT, "duration": 4, "webhook_url": f"{receiver.url}/hook"}
    with serving(world.settings) as client:
        job_id = UUID(client.post("/v1/jobs", json=body, headers=headers).raise_for_status().json()["id"])
    world.round()
    clock.now += 61
    world.poll()
    world.transfer()
    with world.begin() as conn:
        claimed = claim_messages(conn, 1, deliver.RECEIVERS, deliver.BATCH, 300.0)
    deliver.notify_batch(world.runtime, [(item.id, item.claim) for item in claimed])
    return job_id


def test_one_trace_shows_a_job_from_its_enqueue_to_its_webhook(
    world: World, clock: Clock, receiver: Receiver, recorded: InMemorySpanExporter
) -> None:
    job_id = run_one(world, clock, receiver, PARENT)
    found: dict[str, Any] = {span.name: span for span in recorded.get_finished_spans()}
    assert found.keys() == {"reelq.enqueue", "reelq.submit", "reelq.poll", "reelq.transfer", "reelq.webhook"}
    first = found.pop("reelq.enqueue")
    assert f"{first.parent.span_id:016x}" == PARENT.split("-")[2]
    for span in found.values():
        assert f"{span.context.trace_id:032x}" == TRACE
        assert span.parent.span_id == first.context.span_id
        assert span.attributes["reelq.job_id"] == str(job_id)
        assert span.status.is_ok or span.status.is_unset
        assert PROMPT not in span.to_json()
    [delivery] = receiver.deliveries
    assert delivery.headers["traceparent"].split("-")[1] == TRACE


def test_without_opentelemetry_the_trace_of_the_caller_still_reaches_the_receiver(
    world: World, clock: Clock, receiver: Receiver
) -> None:
    run_one(world, clock, receiver, PARENT)
    [delivery] = receiver.deliveries
    assert delivery.headers["traceparent"] == PARENT


@pytest.mark.parametrize("given", [None, "nonsense", f"00-{'0' * 32}-00f067aa0ba902b7-01", PARENT + "\u00e9"])
def test_what_is_no_traceparent_is_none(world: World, given: str | None) -> None:
    headers = [] if given is None else [(b"traceparent", given.encode())]
    with serving(world.settings) as client:
        client.post("/v1/jobs", json={"prompt": PROMPT}, headers=headers).raise_for_status()
    assert [row["traceparent"] for row in world.rows("SELECT traceparent FROM jobs")] == [None]


_PROGRAM = """
from storage.tracing.spans import set_up_tracing, span
set_up_tracing("worker")
with span("poll", None, job_id="0192"):
    pass
"""


def test_the_variables_of_opentelemetry_turn_it_on() -> None:
    with receiving() as collector:
        environ = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "NO_PROXY": "127.0.0.1"}
        argv = [sys.executable, "-c", _PROGRAM]
        done = subprocess.run(argv, env=environ, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        [sent] = collector.at("/v1/traces")
    for word in (b"reelq.poll", b"reelq-worker", b"0192"):
        assert word in sent.body
