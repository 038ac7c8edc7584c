"""The official client of the Model Context Protocol, over HTTP and over standard input and output."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import httpx2
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

from producer.api import batch
from producer.api.mcp.tools import make_server
from producer.client import Producer
from producer.operator_actions.tenants import set_purse
from storage.admission.spending.settlement import settle
from storage.database import connect
from storage.jobs.states import JobState
from storage.settings import Settings
from storage.tenants import keys, purses
from tests.integration.api.api_server import bring, serving, with_account
from tests.waiting import PATIENCE_S

S = JobState
FOX = {"prompt": "a red fox", "duration": 4, "resolution": "480p"}  # 2.00 USD at the account's rate


@dataclass
class Keys:
    """A key of each of two tenants, and one that may only look."""

    http: httpx.Client
    settings: Settings
    producer: Producer
    shop: str
    beta: str
    reader: str

    def give(self, key: str, amount: str) -> None:
        with connect(self.settings.require_database_url()) as conn:
            set_purse(conn, key, amount)

    def count(self, tenant: str) -> int:
        with self.producer.database.begin() as conn:
            row = conn.execute("SELECT count(*) FROM jobs WHERE tenant = %s", [tenant]).fetchone()
        assert row is not None
        return int(row[0])

    @asynccontextmanager
    async def agent(self, key: str, **more: Any) -> AsyncIterator[Client]:
        headers = {"Authorization": f"Bearer {key}"}
        async with (
            httpx2.AsyncClient(headers=headers, timeout=PATIENCE_S, **more) as http,
            Client(streamable_http_client(f"{self.http.base_url}/mcp", http_client=http)) as client,
        ):
            yield client


@pytest.fixture
def door(settings: Settings) -> Iterator[Keys]:
    own = with_account(settings)
    with connect(own.require_database_url()) as conn:
        shop, beta = (keys.new_key(conn, name, "agent", ["enqueue", "read"])[0] for name in ("shop", "beta"))
        reader = keys.new_key(conn, "shop", "reader", ["read"])[0]
    with serving(own) as client, Producer(own, tenant="shop") as producer:
        yield Keys(client, own, producer, shop, beta, reader)


async def call(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    """The result of a tool; an error fails."""
    result: Any = await client.call_tool(tool, arguments)
    text = " ".join(item.text for item in result.content)
    assert not result.is_error, text
    found: dict[str, Any] = result.structured_content or json.loads(text)
    return found


async def refused(client: Client, tool: str, **arguments: Any) -> str:
    result: Any = await client.call_tool(tool, arguments)
    assert result.is_error
    return " ".join(item.text for item in result.content)


def test_an_agent_quotes_enqueues_and_looks(door: Keys) -> None:
    async def use() -> None:
        async with door.agent(door.shop) as agent:
            names = {tool.name for tool in (await agent.list_tools()).tools}
            assert names == {"quote", "enqueue", "get_job", "list_jobs", "cancel_job", "wait_for_job", "purse"}
            quoted = await call(agent, "quote", **FOX, more={"tags": ["spring"]})
            assert quoted["request"] == FOX and (quoted["price"]["low"], quoted["price"]["high"]) == (2.0, 2.0)
            assert quoted["price"]["currency"] == "USD" and door.count("shop") == 0
            job = await call(agent, "enqueue", quote_id=quoted["quote_id"])
            assert (job["state"], job["already_enqueued"]) == ("queued", False)
            again = await call(agent, "enqueue", quote_id=quoted["quote_id"])
            assert (again["job_id"], again["already_enqueued"], door.count("shop")) == (job["job_id"], True, 1)
            assert door.producer.get(job["job_id"]).tags == ["spring"]
            waited = await call(agent, "wait_for_job", job_id=job["job_id"], seconds=0.1)
            assert not waited["finished"]
            await asyncio.to_thread(bring, door.producer, job["job_id"], S.SUCCEEDED, poster_key="videos/x.poster.jpg")
            done = await call(agent, "wait_for_job", job_id=job["job_id"])
            assert done["finished"] and done["files"]["video"].startswith("http") and "poster" in done["files"]
            other = await call(agent, "enqueue", quote_id=(await call(agent, "quote", **FOX))["quote_id"])
            assert (await call(agent, "cancel_job", job_id=other["job_id"]))["state"] == "cancelled"
            listed = await call(agent, "list_jobs", limit=1)
            assert [item["job_id"] for item in listed["jobs"]] == [other["job_id"]] and listed["next_before"]
            why = await refused(agent, "quote", prompt="a fox", duration=99)
            assert "duration" in why and "Nothing was stored" in why
            assert "There is no such quote" in await refused(agent, "enqueue", quote_id="quote_x")

    asyncio.run(use())


def test_the_package_is_loaded_by_the_first_call_only(door: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    def fails(*_: Any) -> Any:
        made.append(1)
        if len(made) == 1:
            raise RuntimeError("no memory")
        return make_server(*_)

    monkeypatch.setattr("producer.api.mcp.tools.make_server", fails)
    assert door.http.get("/healthz").status_code == 200
    assert made == []
    first = door.http.post("/mcp", json={}, headers={"Authorization": f"Bearer {door.shop}"})
    assert first.status_code == 500

    async def use() -> None:
        async with door.agent(door.shop) as agent, door.agent(door.beta) as other:
            assert (await call(agent, "list_jobs"))["jobs"] == (await call(other, "list_jobs"))["jobs"] == []

    asyncio.run(use())
    assert len(made) == 2, "the first call that failed, and one server for all others"


def test_tenants_and_scopes_hold(door: Keys) -> None:
    async def use() -> None:
        async with door.agent(door.shop) as agent, door.agent(door.beta) as other, door.agent(door.reader) as reader:
            quoted = await call(agent, "quote", **FOX)
            assert "no such quote" in await refused(other, "enqueue", quote_id=quoted["quote_id"])
            job = await call(agent, "enqueue", quote_id=quoted["quote_id"])
            for tool in ("get_job", "cancel_job", "wait_for_job"):
                assert "no job" in await refused(other, tool, job_id=job["job_id"])
            assert (await call(other, "list_jobs"))["jobs"] == []
            assert (await call(reader, "get_job", job_id=job["job_id"]))["state"] == "queued"
            for tool, arguments in (("quote", FOX), ("enqueue", {"quote_id": quoted["quote_id"]})):
                assert "scope enqueue" in await refused(reader, tool, **arguments)

    asyncio.run(use())
    assert door.http.post("/mcp", json={}, headers={"Authorization": "Bearer rq_wrong"}).status_code == 401


def test_a_time_out_in_the_middle_costs_nothing(door: Keys) -> None:
    class Loses(httpx2.AsyncBaseTransport):
        """Loses the answer to each request that enqueues."""

        def __init__(self) -> None:
            self._inner = httpx2.AsyncHTTPTransport()

        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            response = await self._inner.handle_async_request(request)
            if b'"enqueue"' in request.content:
                await response.aclose()
                raise httpx2.ReadTimeout("the answer is lost", request=request)
            return response

        async def aclose(self) -> None:
            await self._inner.aclose()

    async def use() -> None:
        async with door.agent(door.shop) as agent:
            quoted = await call(agent, "quote", **FOX)
        with pytest.raises(ExceptionGroup):
            async with door.agent(door.shop, transport=Loses()) as agent:
                await call(agent, "enqueue", quote_id=quoted["quote_id"])
        assert door.count("shop") == 1
        async with door.agent(door.shop) as agent:  # the agent starts again, and knows the quote
            job = await call(agent, "enqueue", quote_id=quoted["quote_id"])
            assert job["already_enqueued"] and door.count("shop") == 1

    asyncio.run(use())


def test_a_purse_is_never_overspent(door: Keys) -> None:
    door.give(door.shop, "5 USD")

    async def use() -> list[str]:
        async with door.agent(door.shop) as agent, door.agent(door.beta) as other:
            quotes = [(await call(agent, "quote", **FOX))["quote_id"] for _ in range(6)]
            results: list[Any] = await asyncio.gather(
                *(agent.call_tool("enqueue", {"quote_id": quote}) for quote in quotes)
            )
            assert sum(not result.is_error for result in results) == 2, "5 USD pay for two of 2 USD each"
            why = next(result.content[0].text for result in results if result.is_error)
            assert "2.00 USD" in why and "1.00 USD left" in why and "Nothing was stored" in why
            assert (await call(agent, "purse"))["purse"] == {"currency": "USD", "amount": 5.0, "used": 4.0, "left": 1.0}
            # Another tenant's key spends freely, and the same purse holds at every door.
            assert (await call(other, "purse"))["purse"] is None
            await call(other, "enqueue", quote_id=(await call(other, "quote", **FOX))["quote_id"])
            return [json.loads(result.content[0].text)["job_id"] for result in results if not result.is_error]

    made = asyncio.run(use())
    headers = {"Authorization": f"Bearer {door.shop}"}
    direct = door.http.post("/v1/jobs", json=FOX, headers=headers)
    assert (direct.status_code, direct.json()["code"]) == (402, "purse_exhausted")
    # What a job did not cost comes back.
    door.producer.cancel(made[0])
    with door.producer.database.begin() as conn:
        settle(conn)
        found = purses.purse_of(conn, keys.key_id(door.shop) or "")
    assert found is not None and found.left == 3
    assert door.http.post("/v1/jobs", json=FOX, headers=headers).status_code == 202
    assert door.count("shop") == 3


def test_a_partial_batch_stores_what_the_purse_pays_for(door: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "_CHUNK", 3)
    door.give(door.shop, "9 USD")
    dear = {"prompt": "a fox", "duration": 15}
    rows = [FOX, dear, FOX, FOX, dear, FOX, FOX]
    body = "".join(f"{json.dumps(row)}\n" for row in rows)
    headers = {"Authorization": f"Bearer {door.shop}", "Content-Type": "application/x-ndjson"}
    answer = door.http.post("/v1/jobs/batch?partial=true", content=body, headers=headers)
    assert answer.status_code == 207, answer.text
    report = answer.json()
    assert (report["created"], report["refused"], door.count("shop")) == (4, 3, 4)
    refused = {item["line"]: item["error"]["code"] for item in report["results"] if "error" in item}
    assert refused == dict.fromkeys((2, 5, 7), "purse_exhausted")


def test_requests_at_the_same_moment_are_refused_one_by_one(door: Keys) -> None:
    door.give(door.shop, "5 USD")

    async def use() -> list[int]:
        headers = {"Authorization": f"Bearer {door.shop}"}
        async with httpx.AsyncClient(base_url=str(door.http.base_url), headers=headers, timeout=PATIENCE_S) as client:
            answers = await asyncio.gather(*(client.post("/v1/jobs", json=FOX) for _ in range(12)))
        return sorted(answer.status_code for answer in answers)

    assert asyncio.run(use()) == [202] * 2 + [402] * 10


def test_a_rotated_key_spends_from_the_same_purse(door: Keys) -> None:
    door.give(door.shop, "3 USD")
    assert door.http.post("/v1/jobs", json=FOX, headers={"Authorization": f"Bearer {door.shop}"}).status_code == 202
    with connect(door.settings.require_database_url()) as conn:
        rotated = keys.rotate(conn, keys.key_id(door.shop) or "", 60.0)
    assert rotated is not None
    again = door.http.post("/v1/jobs", json=FOX, headers={"Authorization": f"Bearer {rotated[0]}"})
    assert again.status_code == 402


def test_the_command_serves_the_same_tools_over_stdio(door: Keys, tmp_path: Path) -> None:
    dumped = door.settings.model_dump(mode="json")
    names = ("database_url", "broker_url", "s3_endpoint_url", "s3_bucket", "s3_access_key_id")
    env = {f"REELQ_{name.upper()}": str(dumped[name]) for name in names}
    secret = door.settings.s3_secret_access_key
    assert secret is not None
    env |= {"REELQ_S3_SECRET_ACCESS_KEY": secret.get_secret_value(), "REELQ_API_KEY": door.shop}
    config = tmp_path / "reelq.toml"
    config.write_text(
        '[[accounts]]\nname = "main"\ngateway = "anyfast"\napi_key = "sk-x"\n'
        'rates = [{ price = "0.5", per = "second", currency = "USD", as_of = 2026-11-01 }]\n'
    )
    env["REELQ_CONFIG"] = str(config)
    given = subprocess.run(
        [sys.executable, "-m", "producer.cli.main", "keys", "purse", keys.key_id(door.shop) or "", "3 USD"],
        env=os.environ | env,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert given.stdout.endswith("3 USD, used 0.00, left 3.00\n"), given.stderr
    command = StdioServerParameters(
        command=sys.executable, args=["-m", "producer.cli.main", "mcp"], env=env, cwd=str(tmp_path)
    )

    async def use() -> None:
        async with Client(command) as agent:
            quoted = await call(agent, "quote", **FOX)
            first = await call(agent, "enqueue", quote_id=quoted["quote_id"])
            assert (await call(agent, "enqueue", quote_id=quoted["quote_id"]))["job_id"] == first["job_id"]
            second = (await call(agent, "quote", **FOX))["quote_id"]
            assert "1.00 USD left" in await refused(agent, "enqueue", quote_id=second)
            assert "local path" in await refused(agent, "quote", prompt="a", first_frame="/etc/secret.png")

    asyncio.run(use())
    assert door.count("shop") == 1
