"""Cancelling over HTTP: only the gateway's own answers are final; after any other, the call is repeated."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from seedance.client import GatewayClient
from seedance.errors import BadAnswer, GatewayError, TaskUnknown, Throttled, Unavailable
from seedance.gateways.base import AttemptOptions, CancelOutcome, TaskStatus
from seedance.gateways.registry import DIALECTS
from seedance.request import parse_request
from simulator.main import SimulatorOptions, running
from tests.contract.clients import with_client
from tests.simulator_client import Clock

FOX = parse_request({"prompt": "a fox in the snow", "duration": 5})
DELETE = {"kind": "status", "where": "delete"}
RUNS = {"status": 409, "code": "InvalidAction.RunningTaskDeletion"}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running(SimulatorOptions(seed=7, time="fixed", median_seconds=600)) as base_url:
        yield base_url


async def submit_and_cancel(client: GatewayClient) -> tuple[CancelOutcome, TaskStatus]:
    task_id = (await client.submit(FOX, AttemptOptions())).task_id
    outcome = await client.cancel(task_id)
    return outcome, (await client.query(task_id)).status


def under(url: str, **fault: Any) -> tuple[CancelOutcome, TaskStatus]:
    httpx.post(f"{url}/_sim/faults", json=[DELETE | fault], trust_env=False).raise_for_status()
    try:
        return with_client(url, "ark", submit_and_cancel)
    finally:
        httpx.delete(f"{url}/_sim/faults", trust_env=False).raise_for_status()


def test_a_queued_task_is_cancelled(url: str) -> None:
    assert with_client(url, "ark", submit_and_cancel) == (CancelOutcome.CANCELLED, TaskStatus.CANCELLED)


def test_the_gateways_own_refusal_is_too_late(url: str) -> None:
    assert under(url, **RUNS) == (CancelOutcome.TOO_LATE, TaskStatus.QUEUED)


@pytest.mark.parametrize("gateway", [name for name, found in DIALECTS.items() if not found.capabilities().cancel])
def test_a_gateway_without_a_cancel_call_is_not_called(url: str, gateway: str) -> None:
    outcome, status = with_client(url, gateway, submit_and_cancel)
    assert outcome is CancelOutcome.NOT_OFFERED and status is not TaskStatus.CANCELLED


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"status": 502, "body": "html"}, Unavailable),
        ({"status": 503, "body": "proxy"}, Unavailable),
        ({"status": 500}, Unavailable),
        ({"status": 429}, Throttled),
        ({"status": 404, "body": "proxy"}, BadAnswer),
        ({"status": 404, "body": "html"}, BadAnswer),
        ({"status": 409, "body": "proxy"}, BadAnswer),
        (RUNS | {"status": 400}, BadAnswer),
        ({"status": 200, "body": "html"}, Unavailable),
        ({"status": 200, "body": "proxy"}, Unavailable),
        ({"kind": "close_before_read"}, Unavailable),
        ({"kind": "rst_after_accept"}, Unavailable),
    ],
    ids=str,
)
def test_any_other_answer_to_a_cancel_is_an_error(url: str, fault: dict[str, Any], kind: type[GatewayError]) -> None:
    with pytest.raises(GatewayError) as caught:
        under(url, **fault)
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [({}, CancelOutcome.CANCELLED), ({"status": 200, "body": "html"}, None)],
    ids=["the gateway's", "a page"],
)
def test_a_task_that_is_gone_after_a_cancel_is_cancelled(
    url: str, answer: dict[str, Any], outcome: CancelOutcome | None
) -> None:
    """Whatever form the 404 has; but not if both answers may be those of something in between."""
    gone = {"kind": "status", "where": "query", "status": 404, "body": "proxy"}

    async def work(client: GatewayClient) -> CancelOutcome | None:
        task_id = (await client.submit(FOX, AttemptOptions())).task_id
        try:
            return await client.cancel(task_id)
        except BadAnswer:
            return None

    faults = [gone, *([DELETE | answer] if answer else [])]
    httpx.post(f"{url}/_sim/faults", json=faults, trust_env=False).raise_for_status()
    try:
        assert with_client(url, "ark", work) is outcome
    finally:
        httpx.delete(f"{url}/_sim/faults", trust_env=False).raise_for_status()


def test_cancelling_an_unknown_task_says_so(url: str) -> None:
    with pytest.raises(TaskUnknown):
        with_client(url, "ark", lambda client: client.cancel("cgt-unknown"))


def test_fals_cancel_counts_when_its_task_shows_it(url: str) -> None:
    outcome, status = with_client(url, "fal", submit_and_cancel)
    assert (outcome, status) == (CancelOutcome.CANCELLED, TaskStatus.CANCELLED)


def test_a_running_task_of_fal_is_asked_about_again_and_an_ended_one_is_too_late() -> None:
    clock = Clock()

    async def work(client: GatewayClient) -> CancelOutcome:
        task_id = (await client.submit(FOX, AttemptOptions())).task_id
        clock.now += 400
        with pytest.raises(Unavailable, match="still IN_PROGRESS"):
            await client.cancel(task_id)
        clock.now += 400
        return await client.cancel(task_id)

    with running(SimulatorOptions(seed=7, time="fixed", median_seconds=600, clock=clock)) as url:
        assert with_client(url, "fal", work) is CancelOutcome.TOO_LATE
