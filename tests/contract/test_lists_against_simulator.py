"""Lists of tasks over HTTP: submitted tasks are found, only by an account that may list."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from seedance.client import GatewayClient
from seedance.errors import AccountProblem, BadAnswer, GatewayError, Unavailable
from seedance.gateways.base import AttemptOptions, TaskPage, TaskStatus
from seedance.gateways.new_api.dialect import NewApiDialect
from seedance.gateways.registry import DIALECTS
from seedance.request import parse_request
from simulator.main import SimulatorOptions, running
from tests.contract.clients import with_client

NEW_API = [name for name, dialect in DIALECTS.items() if isinstance(dialect, NewApiDialect)]
LISTS = {name: limits for name, found in DIALECTS.items() if (limits := found.capabilities().list_limits) is not None}
WITH_A_USER = [name for name, limits in LISTS.items() if limits.needs_user]
USER = {"user_token": "access-token-of-the-user", "user_id": 7}
FOX = parse_request({"prompt": "a fox in the snow", "duration": 5})


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running(SimulatorOptions(seed=7, time="fixed", median_seconds=0.1)) as base_url:
        yield base_url


def refusal(url: str, gateway: str, **fields: Any) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        with_client(url, gateway, lambda client: client.list_tasks(1), **fields)
    return caught.value


@pytest.mark.parametrize("gateway", NEW_API)
def test_the_user_of_a_new_api_gateway_finds_what_was_submitted(url: str, gateway: str) -> None:
    async def work(client: GatewayClient) -> tuple[str, TaskPage, TaskPage]:
        task_id = (await client.submit(FOX, AttemptOptions())).task_id
        async with asyncio.timeout(20):
            while (report := await client.query(task_id)).status is not TaskStatus.SUCCEEDED:
                assert report.status is not TaskStatus.UNKNOWN, report.raw_status
                await asyncio.sleep(0.05)
        now = time.time()
        found = await client.list_tasks(1, since=now - 60, until=now)
        return task_id, found, await client.list_tasks(1, since=now - 7200, until=now - 3600)

    task_id, found, earlier = with_client(url, gateway, work, **USER)
    task = next(task for task in found.tasks if task.task_id == task_id)
    assert (found.unreadable, found.total) == (0, len(found.tasks))
    assert (earlier.total, earlier.tasks) == (0, ())
    assert task.created_at is not None and abs(task.created_at - time.time()) < 60
    assert (task.prompt, task.report.status) == (FOX.prompt, TaskStatus.SUCCEEDED)
    assert (task.duration, task.report.video_url is not None) == (5, True)
    assert task.model == DIALECTS[gateway].model_for(FOX)


@pytest.mark.parametrize("gateway", NEW_API)
def test_each_page_continues_after_the_last_one(url: str, gateway: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seedance.client.LIST_PAGE", 2)

    async def work(client: GatewayClient) -> tuple[list[str], list[TaskPage]]:
        made = [(await client.submit(FOX, AttemptOptions())).task_id for _ in range(3)]
        until = time.time()
        first = await client.list_tasks(1, until=until)
        assert first.total is not None
        pages = [first, *[await client.list_tasks(n, until=until) for n in range(2, (first.total + 1) // 2 + 2)]]
        return made, pages

    made, pages = with_client(url, gateway, work, **USER)
    found = [task.task_id for page in pages for task in page.tasks]
    assert len(found) == len(set(found)) == pages[0].total
    assert found[:3] == made[::-1]
    assert pages[-1].tasks == ()


@pytest.mark.parametrize("gateway", [*sorted(DIALECTS.keys() - LISTS.keys()), *WITH_A_USER])
def test_an_account_without_a_user_lists_nothing(url: str, gateway: str) -> None:
    error = refusal(url, gateway)
    assert type(error) is BadAnswer and "lists no tasks for this account" in error.message


@pytest.mark.parametrize("gateway", NEW_API)
def test_a_wrong_user_token_does_not_blame_the_key(url: str, gateway: str) -> None:
    error = refusal(url, gateway, user_token="sk-that-is-an-api-key", user_id=7)
    assert not isinstance(error, AccountProblem)
    assert error.status == 401
    assert "access token" in error.message and "sk-that-is-an-api-key" not in str(error.as_dict())


@pytest.mark.parametrize("gateway", LISTS)
def test_a_list_answered_by_a_proxy_is_an_error(url: str, gateway: str) -> None:
    rule = {"kind": "status", "where": "list", "status": 503, "body": "proxy", "gateway": gateway}
    httpx.post(f"{url}/_sim/faults", json=[rule], trust_env=False).raise_for_status()
    try:
        assert type(refusal(url, gateway, **(USER if gateway in WITH_A_USER else {}))) is Unavailable
    finally:
        httpx.delete(f"{url}/_sim/faults", trust_env=False).raise_for_status()
