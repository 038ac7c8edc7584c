"""The programs of `/docs` and of docs/client.md run as they are printed, against the real API."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from PIL import Image
from reelq_client import Reelq

from producer import Producer
from producer.api.openapi.code_samples import FIELD
from producer.operator_actions.tenants import create_key
from storage.bucket.objects import Objects
from storage.jobs.queries import JobFilter, page_of_jobs
from storage.jobs.states import JobState
from storage.settings import Settings
from storage.webhooks.signing import new_secret, sign
from tests.integration.api.api_server import bring
from tests.waiting import wait_for

ROOT = Path(__file__).parents[3]
VIDEO = b"\0\0\0\x18ftypmp42 a video"


@pytest.fixture
def key(producer: Producer) -> str:
    with producer.database.begin() as conn:
        return create_key(conn, "acme", "backend", ["read", "enqueue"], None)[0]


@pytest.fixture
def acme(producer: Producer) -> Producer:
    return producer.as_tenant("acme")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, api: httpx.Client, key: str) -> Path:
    """Where the programs run: with the files that they name, and the API in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REELQ_API_URL", str(api.base_url))
    monkeypatch.setenv("REELQ_API_KEY", key)
    Image.new("RGB", (400, 400), "red").save("bottle.png")
    Path("spring.csv").write_text("prompt,duration\na red fox,5\na hare,7\n", encoding="utf-8")
    return tmp_path


def finish(producer: Producer, settings: Settings, job_id: str) -> None:
    """Bring a job to its video."""
    objects = Objects(settings)
    objects.check_bucket()
    source = Path("stored.mp4")
    source.write_bytes(VIDEO)
    object_key = f"videos/{job_id}.mp4"
    objects.put_file(source, object_key)
    facts = {"object_key": object_key, "size_bytes": len(VIDEO), "sha256": hashlib.sha256(VIDEO).hexdigest()}
    bring(producer, job_id, JobState.SUCCEEDED, **facts)


def jobs_of(producer: Producer) -> list[str]:
    with producer.database.begin() as conn:
        return [str(job.id) for job in page_of_jobs(conn, JobFilter(producer.tenant), limit=5)]


def samples(api: httpx.Client, key: str) -> Iterator[tuple[str, str]]:
    for path, operations in (
        api.get("/openapi.json", headers={"Authorization": f"Bearer {key}"}).json()["paths"].items()
    ):
        for method, operation in operations.items():
            yield from ((f"{method} {path}", item["source"]) for item in operation[FIELD] if item["lang"] == "Python")


def execute(program: str, where: str, given: Mapping[str, Any]) -> dict[str, Any]:
    names = dict(given)
    exec(compile(program, where, "exec"), names)
    return names


def test_every_python_sample_of_the_reference_runs(
    api: httpx.Client, folder: Path, key: str, acme: Producer, configured: Settings
) -> None:
    done, queued = (str(acme.enqueue("a fox").id) for _ in range(2))
    finish(acme, configured, done)
    programs = dict(samples(api, key))
    assert len(programs) >= 10
    # A campaign is read once it has been run; the rest needs no order.
    for where in sorted(programs, key=lambda name: ("{name}" in name, name)):
        given = {"job_id": queued if where.endswith("/cancel") else done, "position": "0"}
        execute(programs[where], where, given)
    assert (folder / "fox.mp4").read_bytes() == VIDEO
    assert acme.get(queued).state == "cancelled"
    assert (folder / "results.xlsx").read_bytes()[:2] == b"PK"


def test_every_program_of_the_guide_runs(
    api: httpx.Client, folder: Path, key: str, acme: Producer, configured: Settings
) -> None:
    text = (ROOT / "docs" / "client.md").read_text(encoding="utf-8")
    first, campaign, webhooks = re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    first = first.replace('"https://reelq.example", "rq_…"', repr(str(api.base_url)) + ", " + repr(key))

    def work() -> None:
        wait_for("the program's job", lambda: bool(jobs_of(acme)))
        finish(acme, configured, jobs_of(acme)[0])

    worker = threading.Thread(target=work)
    worker.start()
    execute(first, "docs/client.md", {})
    worker.join()
    assert (folder / "bottle.mp4").read_bytes() == VIDEO

    execute(campaign.replace("100 CNY", "100 USD"), "docs/client.md", {})
    with Reelq() as reelq:
        assert reelq.campaigns.get("spring").total == 2
        assert (folder / "spring.xlsx").exists()

    secret = new_secret()
    content = json.dumps({"type": "job.failed", "timestamp": "2030-01-31T18:00:00Z", "data": {}}).encode()
    now = int(time.time())
    signed = sign([secret], "msg_1", now, content)
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(now), "webhook-signature": signed}

    async def body() -> bytes:
        return content

    requests = {
        "FastAPI": SimpleNamespace(body=body, headers=headers),
        "Flask": SimpleNamespace(get_data=lambda: content, headers=headers),
        "Django": SimpleNamespace(body=content, headers=headers),
    }
    head, *lines = [line for line in webhooks.splitlines() if line]
    assert [line.rpartition("# ")[2] for line in lines] == [*requests]
    for line in lines:
        program = f"{head}\nasync def handle(request):\n    {line}\n    return event\n"
        handle = execute(program, "docs/client.md", {"SECRET": secret})["handle"]
        assert asyncio.run(handle(requests[line.rpartition("# ")[2]])).id == "msg_1"
