"""/healthz and /readyz against real servers, working and broken."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psycopg
import pytest

from producer.api.app import create_app
from producer.api.monitoring import readiness
from producer.local.stack import Stack, UpOptions
from producer.local.stack_file import StackFile
from storage.database import connect
from storage.heartbeats import beat, own_version
from storage.revisions import newest_revision
from storage.settings import Settings
from tests.integration.api.api_server import calling
from tests.servers import Bucket
from tests.waiting import PATIENCE_S

T = TypeVar("T")
COMPONENTS = ("scheduler", "submit", "poll", "transfer", "notify")


@pytest.fixture(autouse=True)
def long_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Raise the time limits of checks and heartbeats, because a loaded machine may exceed those of production."""
    monkeypatch.setattr(readiness, "CHECK_TIMEOUT_S", PATIENCE_S)
    monkeypatch.setattr(readiness, "FRESH_S", 1000.0)


def _get(settings: Settings, path: str = "/readyz", times: int = 1) -> httpx.Response:
    async def ask() -> httpx.Response:
        async with calling(settings, "http://reelq") as client:
            answers = [await client.get(path) for _ in range(times)]
            return answers[-1]

    return _run(ask())


def _run(coroutine: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(coroutine)


def _all_components_beat(settings: Settings) -> None:
    with connect(settings.require_database_url()) as conn:
        for name in COMPONENTS:
            beat(conn, name, "here")


def test_readyz_is_200_when_every_part_works(settings: Settings) -> None:
    _all_components_beat(settings)
    answer = _get(settings, times=3)
    assert (answer.status_code, answer.json()) == (
        200,
        {"ready": True, "missing": {}, "warnings": {}, "version": own_version()},
    )


def test_readyz_names_each_component_without_a_fresh_heartbeat(settings: Settings) -> None:
    _all_components_beat(settings)
    with connect(settings.require_database_url()) as conn:
        conn.execute("UPDATE heartbeats SET seen_at = now() - interval '1001 s' WHERE component = 'poll'")
        conn.execute("DELETE FROM heartbeats WHERE component = 'scheduler'")
    answer = _get(settings)
    assert answer.status_code == 503
    assert set(answer.json()["missing"]) == {"poll", "scheduler"}


def test_readyz_names_an_old_schema(settings: Settings, empty_postgres_url: str) -> None:
    answer = _get(settings.model_copy(update={"database_url": empty_postgres_url}))
    assert answer.json()["missing"] == {
        "database": f"the schema is empty, not {newest_revision()}; run `reelq db upgrade`"
    }


def test_readyz_names_a_missing_bucket_and_does_not_create_it(settings: Settings, s3: Bucket) -> None:
    _all_components_beat(settings)
    misspelt = f"{s3.bucket}-more"
    answer = _get(settings.model_copy(update={"s3_bucket": misspelt}))
    assert answer.status_code == 503
    assert f"bucket {misspelt} does not exist" in answer.json()["missing"]["bucket"]
    assert not (s3.directory.parent / misspelt).exists()


def test_readyz_names_servers_that_are_down_without_their_passwords(
    settings: Settings, closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "CHECK_TIMEOUT_S", 1.0)
    down = settings.model_copy(
        update={
            "database_url": f"postgresql://reelq:hidden@127.0.0.1:{closed_port}/reelq",
            "broker_url": f"redis://:hidden@127.0.0.1:{closed_port}/0",
            "s3_endpoint_url": f"http://127.0.0.1:{closed_port}",
        }
    )
    answer = _get(down)
    assert answer.status_code == 503
    assert set(answer.json()["missing"]) == {"database", "broker", "bucket"}
    assert "hidden" not in answer.text
    assert _get(down, "/healthz").json() == {"status": "ok"}


@pytest.mark.parametrize("part", ["database", "broker", "bucket"])
def test_readyz_answers_although_a_server_hangs(settings: Settings, part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "CHECK_TIMEOUT_S", 0.5)
    _all_components_beat(settings)
    with socket.create_server(("127.0.0.1", 0)) as mute:  # accepts connections, but never answers
        where = f"127.0.0.1:{mute.getsockname()[1]}"
        keys = {
            "database": {"database_url": f"postgresql://reelq:x@{where}/reelq"},
            "broker": {"broker_url": f"redis://:x@{where}/0"},
            "bucket": {"s3_endpoint_url": f"http://{where}"},
        }
        hanging = settings.model_copy(update=keys[part])

        async def ask() -> tuple[float, httpx.Response]:
            app = create_app(hanging)
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://reelq") as client:
                since = time.monotonic()
                answer = await client.get("/readyz")
                took = time.monotonic() - since
            mute.close()  # ends the connections that still wait
            async with app.router.lifespan_context(app):
                return took, answer

        took, answer = _run(ask())
    assert took < PATIENCE_S
    assert part in answer.json()["missing"]


def test_readyz_reconnects_after_the_database_closed_its_connections(settings: Settings, postgres_url: str) -> None:
    _all_components_beat(settings)

    async def scenario() -> list[int]:
        async with calling(settings, "http://reelq") as client:
            found = [(await client.get("/readyz")).status_code]
            with psycopg.connect(postgres_url, autocommit=True) as conn:
                conn.execute(
                    "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            found.append((await client.get("/readyz")).status_code)
            return found

    assert _run(scenario()) == [200, 200]


def test_readyz_answers_although_a_check_itself_fails(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> set[str]:
        raise psycopg.errors.DatatypeMismatch("cannot be compared\nHINT: see elsewhere")

    monkeypatch.setattr(readiness, "check_parts", broken)
    answer = _get(settings)
    assert answer.status_code == 503
    assert answer.json()["missing"]["database"] == "the check failed: DatatypeMismatch: cannot be compared"


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (500, b'{"title": "Internal Server Error"}', {"api": "answers 500"}),
        (502, b"<html>Bad Gateway</html>", {"api": "answers 502"}),
        (503, b"[]", {"api": "answers 503"}),
        (503, b'{"missing": "everything"}', {"api": "answers 503"}),
        (503, b'{"missing": {"broker": "is down"}}', {"broker": "is down"}),
        (0, b"", {"api": "does not answer"}),
    ],
)
def test_up_goes_on_whatever_readyz_answers(
    status: int, body: bytes, says: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("producer.local.stack.get", lambda _url, _timeout_s: (status, body))
    stack = Stack(UpOptions(tmp_path))
    stack._file = StackFile(tmp_path, Settings(), "http://127.0.0.1:1", None, None, None, 1, "rq_key")
    assert asyncio.run(stack.missing()) == says
