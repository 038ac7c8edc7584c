"""Two tenants on one server: what one of them uses up is not missing for the other."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from urllib.parse import urlsplit

import httpx
import pytest

from storage.database import connect
from storage.settings import Settings
from storage.tenants import keys
from tests.integration.api.api_server import serving
from tests.media_files import picture
from tests.waiting import PATIENCE_S, wait_for

FORM = "POST /v1/videos HTTP/1.1\r\nHost: {host}\r\nX-API-Key: {key}\r\nContent-Length: 1000000\r\n"
FORM += "Content-Type: multipart/form-data; boundary=x\r\n\r\n"
FILE = b'--x\r\nContent-Disposition: form-data; name="input_reference"; filename="a.png"\r\n\r\nabc'


@pytest.fixture
def two(configured: Settings) -> dict[str, dict[str, str]]:
    """The headers of a client of each tenant."""
    with connect(configured.require_database_url()) as conn:
        return {name: {"X-API-Key": keys.new_key(conn, name, "test", ["enqueue", "read", "admin"])[0]} for name in "ab"}


@contextmanager
def trickling(api: httpx.Client, key: str) -> Iterator[socket.socket]:
    """An upload whose body has begun, and does not go on."""
    where = urlsplit(str(api.base_url))
    with socket.create_connection((where.hostname, where.port), timeout=PATIENCE_S) as connection:
        connection.sendall(FORM.format(host=where.netloc, key=key).encode() + FILE)
        yield connection


def upload(api: httpx.Client, headers: dict[str, str]) -> httpx.Response:
    files = {"input_reference": ("a.png", picture(), "image/png")}
    return api.post("/v1/videos", data={"prompt": "a fox"}, files=files, headers=headers)


def test_trickling_uploads_of_a_tenant_leave_places_for_others_and_end_early(
    configured: Settings, two: dict[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen: sixteen of them closed uploads for everyone, for ten minutes."""
    monkeypatch.setattr("producer.http.service.MAX_UPLOADS", 4)
    monkeypatch.setattr("producer.http.bodies.PAUSE_S", PATIENCE_S)
    with serving(configured) as api, ExitStack() as stack:
        slow = [stack.enter_context(trickling(api, two["a"]["X-API-Key"])) for _ in range(2)]
        wait_for("the places are taken", lambda: upload(api, two["a"]).status_code == 429)
        refused = upload(api, two["a"])
        assert refused.json()["code"] == "tenant_busy"
        assert int(refused.headers["retry-after"]) >= 1
        assert upload(api, two["b"]).status_code == 200
        monkeypatch.setattr("producer.http.bodies.PAUSE_S", 0.2)
        # The pieces that arrive do not help a body that is slower than the bound.
        for connection in slow:
            with suppress(ConnectionError):
                connection.sendall(b"d")
            assert connection.recv(100).startswith(b"HTTP/1.1 408 ")
        monkeypatch.undo()
        wait_for("the places are free", lambda: upload(api, two["a"]).status_code == 200)


def test_event_streams_of_a_tenant_leave_places_for_others(
    configured: Settings, two: dict[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("producer.http.events.MAX_WATCHERS", 4)
    reading = []  # a stream whose reader is gone ends
    with serving(configured) as api, ExitStack() as stack:

        def stream(tenant: str) -> httpx.Response:
            response = stack.enter_context(api.stream("GET", "/v1/events", headers=two[tenant]))
            if response.status_code == 200:
                reading.append(response.iter_lines())
                assert next(reading[-1]).startswith("retry:")
            return response

        assert [stream("a").status_code for _ in range(3)] == [200, 200, 429]
        assert stream("b").status_code == 200


def test_requests_of_a_tenant_are_limited_and_those_of_others_are_not(
    configured: Settings, two: dict[str, dict[str, str]]
) -> None:
    limited = Settings.model_validate(configured.model_dump() | {"api_requests_per_minute": 1})
    with serving(limited) as api:
        answers = [api.get("/v1/tenant", headers=two["a"]) for _ in range(12)]
        assert [answer.status_code for answer in answers] == [200] * 10 + [429] * 2
        assert (answers[-1].json()["code"], int(answers[-1].headers["retry-after"]) > 1) == ("too_many_requests", True)
        assert api.get("/v1/tenant", headers=two["b"]).status_code == 200
        assert api.get("/healthz").status_code == 200
