"""Errors and refused access over real HTTP: always a problem, never a traceback."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

import httpx
import pytest

from storage.settings import Settings
from tests.integration.api.api_server import serving
from tests.waiting import PATIENCE_S


def test_a_problem_has_both_forms_of_an_error(api: httpx.Client) -> None:
    answer = api.post("/v1/jobs", json={"prompt": "a", "duration": 3, "ratio": "2:1"})
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert (problem["status"], problem["code"], problem["instance"]) == (422, "invalid_request", "/v1/jobs")
    assert problem["type"] == "urn:reelq:problem:invalid_request"
    assert {item["field"] for item in problem["errors"]} == {"duration", "ratio"}
    assert problem["error"]["type"] == "invalid_request_error"
    assert problem["error"]["code"] == "invalid_request"
    assert problem["error"]["param"] in ("duration", "ratio")
    assert problem["error"]["message"] == problem["detail"]
    assert problem["advice"]


def test_unknown_routes_and_methods_are_problems_too(api: httpx.Client) -> None:
    route = api.get("/v1/nothing")
    assert (route.status_code, route.json()["code"]) == (404, "no_such_route")
    method = api.delete("/v1/jobs")
    assert (method.status_code, method.json()["code"]) == (405, "method_not_allowed")
    assert "GET" in method.headers["allow"] or "POST" in method.headers["allow"]
    form = api.post("/v1/jobs", data={"prompt": "a"})
    assert (form.status_code, form.json()["code"]) == (415, "unsupported_media_type")
    nul = api.get("/v1/jobs?campaign=a%00b")
    assert nul.status_code == 400


def test_an_unreachable_database_is_reported_without_its_password(
    configured: Settings, closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("producer.client._CONNECT_WAIT_S", 0.5)
    monkeypatch.setattr("producer.api.app.DATABASE_WAIT_S", 0.5)
    down = configured.model_copy(update={"database_url": f"postgresql://reelq:hidden@127.0.0.1:{closed_port}/reelq"})
    with serving(down) as api:
        answer = api.post("/v1/jobs", json={"prompt": "a"})
    assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert answer.json()["error"]["type"] == "server_error"
    assert "hidden" not in answer.text


def test_an_internal_error_shows_only_its_request_id(
    configured: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def break_down(*_: object, **__: object) -> None:
        raise RuntimeError("the inner secret")

    monkeypatch.setattr("storage.jobs.queries.page_of_jobs", break_down)
    with serving(configured) as api:
        answer = api.get("/v1/jobs")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "inner secret" not in answer.text and "Traceback" not in answer.text
    assert answer.json()["request_id"] in caplog.text


def test_an_endless_body_is_refused_early(api: httpx.Client) -> None:
    where = urlsplit(str(api.base_url))
    with socket.create_connection((where.hostname, where.port), timeout=PATIENCE_S) as connection:
        connection.sendall(
            f"POST /v1/jobs HTTP/1.1\r\nHost: {where.netloc}\r\nContent-Type: application/json\r\n"
            "Content-Length: 99999999999\r\n\r\n{".encode()
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")
    with socket.create_connection((where.hostname, where.port), timeout=PATIENCE_S) as connection:
        connection.sendall(
            f"POST /v1/jobs HTTP/1.1\r\nHost: {where.netloc}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        )
        piece = b"10000\r\n" + b"a" * 0x10000 + b"\r\n"
        for _ in range(17):
            connection.sendall(piece)
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def test_a_stalled_body_is_refused(api: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("producer.http.bodies.PAUSE_S", 0.3)
    where = urlsplit(str(api.base_url))
    with socket.create_connection((where.hostname, where.port), timeout=PATIENCE_S) as connection:
        connection.sendall(f"POST /v1/jobs HTTP/1.1\r\nHost: {where.netloc}\r\nContent-Length: 50\r\n\r\n{{".encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "attacker.example"},
        {"Host": "127.0.0.1.attacker.example:80"},
        {"Host": "[broken"},
        {"Origin": "https://attacker.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
def test_only_programs_on_this_machine_need_no_key(api: httpx.Client, headers: dict[str, str]) -> None:
    answer = api.post("/v1/jobs", json={"prompt": "a"}, headers=headers)
    assert answer.status_code in (400, 401, 403)  # the server itself may refuse an unreadable Host
    assert api.get("/healthz", headers={"Host": "probe"}).status_code == 200
    assert api.get("/v1/jobs").json()["data"] == []
