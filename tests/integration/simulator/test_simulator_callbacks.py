"""Callbacks: timing, content, retries and allowed hosts."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from simulator.dialects.registry import all_dialects
from tests.simulator_client import Client, simulator
from tests.waiting import wait_for

ARK = "/api/v3/contents/generations/tasks"


class Listener:
    """A small server that records requests; it answers with the given statuses, then with 200."""

    def __init__(self, *statuses: int) -> None:
        received: list[tuple[float, str, dict[str, Any]]] = []
        answers = list(statuses)

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                received.append((time.monotonic(), self.path, json.loads(self.rfile.read(length))))
                self.send_response(answers.pop(0) if answers else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Log nothing."""

        self.received = received
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"


@contextmanager
def listening(*statuses: int) -> Iterator[Listener]:
    listener = Listener(*statuses)
    thread = threading.Thread(target=listener.server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield listener
    finally:
        listener.server.shutdown()
        thread.join()
        listener.server.server_close()


def evolink(client: Client, url: str) -> str:
    body = {"model": "seedance-2.0-text-to-video", "prompt": "a red fox", "callback_url": url}
    return str(client.post("/evolink/v1/videos/generations", body).json()["id"])


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    # The simulator sends callbacks on its own schedule, so it needs the real clock.
    with simulator("", time="fixed", median_seconds=1, clock=time.time) as running:
        yield running


def test_evolink_reports_the_end_once_with_the_body_of_a_query(client: Client) -> None:
    with listening() as listener:
        task_id = evolink(client, f"{listener.url}/token-1")
        wait_for("the callback", lambda: listener.received)
        _, path, sent = listener.received[0]
        shown = client.get(f"/evolink/v1/tasks/{task_id}").json()
        assert path == "/hook/token-1" and sent["status"] == "completed"
        assert {**sent, "results": []} == {**shown, "results": []}
        assert client.http.get(sent["results"][0]).status_code == 200
        time.sleep(0.2)
        assert len(listener.received) == 1


def test_12ai_reports_the_end(client: Client) -> None:
    with listening() as listener:
        body = {"model": "seedance-2-official", "prompt": "a fox", "metadata": {"webhook_url": listener.url}}
        task_id = client.post("/12ai/v1/videos", body).json()["id"]
        wait_for("the callback", lambda: listener.received)
        assert listener.received[0][2]["id"] == task_id and listener.received[0][2]["metadata"]["url"]


def test_ark_reports_every_phase(client: Client) -> None:
    with listening() as listener:
        content = [{"type": "text", "text": "a red fox"}]
        body = {"model": "doubao-seedance-2-0-260128", "content": content, "callback_url": listener.url}
        task_id = client.post(f"/ark{ARK}", body).json()["id"]
        wait_for("the callback", lambda: len(listener.received) == 3)
        assert [sent["status"] for _, _, sent in listener.received] == ["queued", "running", "succeeded"]
        assert {sent["id"] for _, _, sent in listener.received} == {task_id}


def test_a_refused_callback_is_retried_after_1_and_2_seconds(client: Client) -> None:
    rules = all_dialects()["evolink"].callbacks
    assert rules is not None and rules.retries_s[:2] == (1.0, 2.0)
    with listening(500, 302) as listener:
        task_id = evolink(client, listener.url)
        wait_for("the callback", lambda: len(listener.received) == 3)
        moments = [moment for moment, _, _ in listener.received]
        assert moments[1] - moments[0] > 0.9 and moments[2] - moments[1] > 1.9
        entry = next(task for task in client.ledger()["tasks"] if task["id"] == task_id)
        assert (entry["callbacks"], entry["callbacks_taken"]) == (3, 1)


def test_failed_and_lost_tasks_are_reported(client: Client) -> None:
    with listening() as listener:
        client.arm({"kind": "fail", "times": 1}, {"kind": "lost", "times": 1})
        evolink(client, listener.url)
        evolink(client, listener.url)
        wait_for("the callback", lambda: len(listener.received) == 2)
        assert {sent["status"] for _, _, sent in listener.received} == {"failed"}


def test_faults_drop_or_repeat_a_callback(client: Client) -> None:
    with listening() as listener:
        client.arm({"kind": "no_callback", "times": 1}, {"kind": "callback_twice", "times": 1})
        silent = evolink(client, f"{listener.url}/silent")
        wait_for("the end", lambda: client.get(f"/evolink/v1/tasks/{silent}").json()["status"] == "completed")
        time.sleep(0.1)
        evolink(client, f"{listener.url}/twice")
        wait_for("the callback", lambda: len(listener.received) == 2)
        assert {path for _, path, _ in listener.received} == {"/hook/twice"}


def test_hosts_that_are_not_allowed_are_never_called(client: Client) -> None:
    task_id = evolink(client, "https://callbacks.example.com/hook")
    wait_for("the end", lambda: client.get(f"/evolink/v1/tasks/{task_id}").json()["status"] == "completed")
    ledger = client.ledger()
    assert ledger["totals"]["requests"]["callbacks.host_not_allowed"] == 1
    assert next(task for task in ledger["tasks"] if task["id"] == task_id)["callbacks"] == 0
