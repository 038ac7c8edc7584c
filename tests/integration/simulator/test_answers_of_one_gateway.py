"""What the client does with answers that only one gateway gives: fal's two-part tasks, OpenRouter's paths."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from seedance.client import GatewayClient
from seedance.errors import BadAnswer, Unavailable
from seedance.gateways.base import AttemptOptions, TaskReport, TaskStatus
from seedance.gateways.registry import DIALECTS
from seedance.request import parse_request
from simulator.main import SimulatorOptions, running
from tests.contract.clients import KEY, with_client
from tests.waiting import PATIENCE_S

FOX = parse_request({"prompt": "a fox in the snow", "model": "seedance-2.5"})
HANDLE = "bytedance/seedance-2.5/r-1"
TASK = "/bytedance/seedance-2.5/requests/r-1"


@dataclass
class Server:
    """A server that gives prepared answers, by method and path, and notes what it was asked."""

    url: str = ""
    answers: dict[str, tuple[int, Any]] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    """The request line, and the Authorization header."""


@pytest.fixture
def servers() -> Iterator[tuple[Server, Server]]:
    running = [_serve(Server()) for _ in range(2)]
    yield running[0][0], running[1][0]
    for _, http in running:
        http.shutdown()
        http.server_close()


def _serve(server: Server) -> tuple[Server, ThreadingHTTPServer]:
    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            line = f"{self.command} {self.path}"
            server.asked.append((line, self.headers["Authorization"]))
            status, body = server.answers.get(line, (404, {"detail": "Not Found"}))
            raw = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        do_GET = do_POST = do_PUT = _answer

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    server.url = f"http://127.0.0.1:{http.server_address[1]}"
    return server, http


def test_fals_key_stays_at_the_accounts_address_whatever_urls_an_answer_names(servers: tuple[Server, Server]) -> None:
    own, other = servers
    elsewhere = f"{other.url}{TASK}"
    accepted = {"request_id": "r-1", "status_url": f"{elsewhere}/status", "response_url": f"{elsewhere}/response"}
    own.answers["POST /bytedance/seedance-2.5/text-to-video"] = (200, accepted)
    own.answers[f"GET {TASK}/status"] = (200, {"status": "COMPLETED", "response_url": f"{elsewhere}/response"})
    own.answers[f"GET {TASK}/response"] = (200, {"video": {"url": "https://v3.fal.media/v.mp4"}, "seed": 4})

    async def work(client: GatewayClient) -> tuple[str, TaskReport]:
        task_id = (await client.submit(FOX, AttemptOptions())).task_id
        return task_id, await client.query(task_id)

    task_id, report = with_client("", "fal", work, base_url=own.url)
    assert (task_id, report.status, report.video_url) == (HANDLE, TaskStatus.SUCCEEDED, "https://v3.fal.media/v.mp4")
    assert other.asked == []
    assert {key for _, key in own.asked} == {f"Key {KEY}"}


RESULTS: list[tuple[int, Any, str | None]] = [
    (422, {"detail": [{"loc": ["body", "prompt"], "msg": "m", "type": "missing", "url": "x"}]}, "invalid_request"),
    (503, {"detail": "Runner disconnected", "error_type": "runner_disconnected"}, "generation_failed"),
    (503, {"message": "failure to get a peer from the ring-balancer"}, None),
    (502, {"detail": "Bad Gateway"}, None),
    # A program in front checks the GET itself, which has no body.
    (422, {"detail": [{"loc": ["header", "x-tenant"], "msg": "Field required", "type": "missing"}]}, None),
    (422, {"detail": [{"loc": ["query", "sig"], "msg": "Field required", "type": "missing", "input": None}]}, None),
]


@pytest.mark.parametrize(("status", "body", "code"), RESULTS, ids=[str(body) for _, body, _ in RESULTS])
def test_only_fals_own_error_fails_an_ended_task(
    servers: tuple[Server, Server], status: int, body: Any, code: str | None
) -> None:
    own, _ = servers
    own.answers[f"GET {TASK}/status"] = (200, {"status": "COMPLETED", "response_url": f"{own.url}{TASK}"})
    own.answers[f"GET {TASK}"] = (status, body)
    if code is None:
        with pytest.raises((Unavailable, BadAnswer)):
            with_client("", "fal", lambda client: client.query(HANDLE), base_url=own.url)
        return
    report = with_client("", "fal", lambda client: client.query(HANDLE), base_url=own.url)
    assert report.status is TaskStatus.FAILED and report.failure is not None
    assert report.failure.code == code


@pytest.mark.parametrize("code", ["internal_error", "bad_request", "client_disconnected"])
def test_an_error_that_may_be_about_the_call_itself_fails_no_ended_task(
    servers: tuple[Server, Server], code: str
) -> None:
    own, _ = servers
    own.answers[f"GET {TASK}/status"] = (200, {"status": "COMPLETED", "response_url": f"{own.url}{TASK}"})
    own.answers[f"GET {TASK}"] = (500, {"detail": "Something went wrong", "error_type": code})
    report = with_client("", "fal", lambda client: client.query(HANDLE), base_url=own.url)
    assert (report.status, report.video_url, report.failure) == (TaskStatus.SUCCEEDED, None, None)
    ended = {"status": "COMPLETED", "error": "Something went wrong", "error_type": code}
    own.answers[f"GET {TASK}/status"] = (200, ended)
    report = with_client("", "fal", lambda client: client.query(HANDLE), base_url=own.url)
    assert report.status is TaskStatus.FAILED and report.failure is not None, "the status itself says that it failed"


def test_a_failure_in_fals_status_counts_even_if_the_result_cannot_be_read(servers: tuple[Server, Server]) -> None:
    own, _ = servers
    ended = {"status": "COMPLETED", "error": "Request timed out", "error_type": "request_timeout"}
    own.answers[f"GET {TASK}/status"] = (200, ended)
    own.answers[f"GET {TASK}"] = (502, "bad gateway")
    report = with_client("", "fal", lambda client: client.query(HANDLE), base_url=own.url)
    assert report.status is TaskStatus.FAILED and report.failure is not None
    assert report.failure.gateway_code == "request_timeout"


def test_openrouters_path_is_on_the_accounts_own_host(servers: tuple[Server, Server]) -> None:
    own, _ = servers
    path = "/api/v1/videos/job-1/content?index=0"
    own.answers["GET /api/v1/videos/job-1"] = (200, {"id": "job-1", "status": "completed", "unsigned_urls": [path]})
    report = with_client("", "openrouter", lambda client: client.query("job-1"), base_url=f"{own.url}/api/v1")
    assert report.video_url == f"{own.url}{path}"


def test_fals_handle_is_the_same_from_an_answer_a_callback_and_a_person() -> None:
    fal = DIALECTS["fal"]
    model = fal.model_for(FOX)
    assert fal.task_handle("r-1", model) == fal.task_handle(HANDLE, model) == HANDLE
    fast = parse_request({"prompt": "a fox", "tier": "fast"})
    assert fal.task_handle("r-2", fal.model_for(fast)) == "bytedance/seedance-2.0/r-2"


def test_openrouters_content_needs_the_accounts_key() -> None:
    request = parse_request({"prompt": "a fox", "duration": 4, "resolution": "480p"})

    async def work(client: GatewayClient) -> str:
        return (await client.submit(request, AttemptOptions())).task_id

    options = SimulatorOptions(seed=7, time="fixed", median_seconds=0.0, api_keys=frozenset({KEY}))
    with running(options) as url:
        content = f"{url}/openrouter/api/v1/videos/{with_client(url, 'openrouter', work)}/content?index=0"
        assert httpx.get(content, trust_env=False).status_code == 401
        video = httpx.get(content, headers={"Authorization": f"Bearer {KEY}"}, trust_env=False, timeout=PATIENCE_S)
    assert (video.status_code, video.headers["content-type"]) == (200, "video/mp4")
    assert video.content[4:8] == b"ftyp"
