"""A call that failed leaves nothing in memory: a POST may hold files of many MiB, and the collector of garbage, which
counts objects, comes late."""

from __future__ import annotations

import base64
import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from seedance.gateways.wire import WireAnswer, WireCall
from seedance.request import GenerationRequest
from simulator.main import SimulatorOptions, running
from storage.settings import Settings
from tests.integration.submitting.rounds import World
from worker.polling.ask import Task
from worker.submitting.begin import Ready

JOBS = 5
HEAVY = (Ready, Task, WireCall, WireAnswer, GenerationRequest)
PICTURE = "data:image/png;base64," + base64.b64encode(os.urandom(300_000)).decode()
"""Long enough to be sent in pieces."""
FAULTS: list[dict[str, Any]] = [
    {"kind": "rate_limit"},
    {"kind": "status", "status": 503},
    {"kind": "html_200"},
    {"kind": "close_before_read"},
    {"kind": "close_after_accept"},
    {"kind": "rst_after_accept"},
]


@pytest.fixture(scope="module")
def gateway() -> Iterator[str]:
    with running(SimulatorOptions(time="fixed", median_seconds=600)) as url:
        yield url


@contextmanager
def collected_by_nobody() -> Iterator[list[str]]:
    """What is left after it of the objects that hold requests and answers, although nothing uses them."""
    left: list[str] = []
    gc.collect()
    gc.disable()
    try:
        before = {id(thing) for thing in gc.get_objects() if type(thing) in HEAVY}
        yield left
        left += [type(thing).__name__ for thing in gc.get_objects() if type(thing) in HEAVY and id(thing) not in before]
    finally:
        gc.enable()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault["kind"])
def test_a_failed_post_and_a_failed_poll_leave_nothing(settings: Settings, gateway: str, fault: dict[str, Any]) -> None:
    httpx.post(f"{gateway}/_sim/reset").raise_for_status()
    world = World(settings, main={"gateway": "anyfast", "base_url": f"{gateway}/anyfast"})
    try:
        world.enqueue(JOBS, reference_images=[PICTURE])
        assert world.round() == JOBS
        world.enqueue(JOBS, reference_images=[PICTURE])
        faults = [fault | {"where": where} for where in ("create", "query")]
        httpx.post(f"{gateway}/_sim/faults", json=faults).raise_for_status()
        with collected_by_nobody() as left:
            assert world.round() == JOBS
            assert world.poll() == JOBS
        assert left == []
    finally:
        world.close()


def test_a_failed_list_leaves_nothing(settings: Settings, gateway: str) -> None:
    httpx.post(f"{gateway}/_sim/reset").raise_for_status()
    world = World(settings, main={"gateway": "ark", "base_url": f"{gateway}/ark/api/v3"})
    try:
        world.enqueue(JOBS)
        assert world.round() == JOBS
        httpx.post(f"{gateway}/_sim/faults", json=[{"kind": "status", "where": "list"}]).raise_for_status()
        with collected_by_nobody() as left:
            assert world.poll() == JOBS
        assert left == []
    finally:
        world.close()
