"""Ark's official SDK, unchanged, against the simulator."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Iterator
from typing import Any

import pytest

from tests.simulator_client import Client, simulator

runtime: Any = importlib.import_module("byteplussdkarkruntime")  # its types do not pass mypy
errors: Any = importlib.import_module("byteplussdkarkruntime._exceptions")

MODEL = "dreamina-seedance-2-0-260128"
NEW = "dreamina-seedance-2-5-260628"
CONTENT = [{"type": "text", "text": "a red fox"}]


@pytest.fixture
def client() -> Iterator[Client]:
    with simulator("/ark/api/v3", time="fixed", median_seconds=2) as running:
        yield running


def test_the_sdk_creates_gets_lists_and_deletes_tasks(client: Client) -> None:
    ark = runtime.Ark(base_url=f"{client.http.base_url}/ark/api/v3", api_key="sk-test")
    tasks = ark.content_generation.tasks
    created = tasks.create(
        model=MODEL,
        content=CONTENT,
        resolution="480p",
        ratio="9:16",
        duration=4,
        seed=7,
        return_last_frame=True,
        service_tier="default",
        execution_expires_after=3600,
        safety_identifier="user-1",
        extra_body={"tools": [{"type": "web_search"}]},
    )
    assert created.id.startswith("cgt-") and created.safety_identifier == "user-1"
    waiting = tasks.create(model=MODEL, content=CONTENT)
    tasks.delete(waiting.id)
    assert tasks.get(task_id=waiting.id).status == "cancelled"
    done = client.until(lambda: (task := tasks.get(task_id=created.id)).status == "succeeded" and task)
    assert (done.seed, done.ratio, done.resolution, done.duration, done.framespersecond) == (7, "9:16", "480p", 4, 24)
    assert done.usage.completion_tokens == 496 * 864 * (24 * 4 + 1) // 1024
    assert client.http.get(done.content.video_url).status_code == 200
    found = tasks.list(page_num=1, page_size=5, status="succeeded", task_ids=[created.id, waiting.id], model=MODEL)
    assert found.total == 1 and found.items[0].id == created.id
    tasks.delete(created.id)
    with pytest.raises(errors.ArkNotFoundError):
        tasks.get(task_id=created.id)
    with pytest.raises(errors.ArkBadRequestError, match="duration"):
        tasks.create(model=MODEL, content=CONTENT, duration=3)
    ark.close()


def test_the_sdk_makes_a_draft_of_2_5_and_its_final(client: Client) -> None:
    ark = runtime.Ark(base_url=f"{client.http.base_url}/ark/api/v3", api_key="sk-test", max_retries=0)
    tasks = ark.content_generation.tasks
    asked = {"model": NEW, "resolution": "480p", "ratio": "16:9", "duration": 4, "draft": True}
    draft = tasks.create(content=CONTENT, **asked)
    done = client.until(lambda: (task := tasks.get(task_id=draft.id)).status == "succeeded" and task)
    assert done.draft is True
    of_draft = [{"type": "draft_task", "draft_task": {"id": draft.id}}]
    with pytest.raises(errors.ArkBadRequestError):
        tasks.create(model=NEW, content=of_draft, resolution="1080p", duration=4)
    final = tasks.create(model=NEW, content=of_draft, resolution="1080p")
    assert tasks.get(task_id=final.id).draft_task_id == draft.id
    with pytest.raises(errors.ArkBadRequestError, match="camera_fixed"):
        tasks.create(model=NEW, content=CONTENT, camera_fixed=False)
    ark.close()


def test_the_asynchronous_sdk_creates_and_gets_a_task(client: Client) -> None:
    async def use() -> str:
        ark = runtime.AsyncArk(base_url=f"{client.http.base_url}/ark/api/v3", api_key="sk-test")
        created = await ark.content_generation.tasks.create(model=MODEL, content=CONTENT)
        task = await ark.content_generation.tasks.get(task_id=created.id)
        await ark.close()
        return str(task.status)

    assert asyncio.run(use()) == "queued"
