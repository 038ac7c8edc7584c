"""A gateway's task belongs to one job, whatever the gateway says."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import orjson
import psycopg
import pytest

from producer.operator_actions.adoption import candidates
from storage.database import connect
from storage.settings import Settings
from tests.integration.submitting.rounds import World


class _SameId(BaseHTTPRequestHandler):
    """Gives every task the same id."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer({"id": "cgt-1"})

    def do_GET(self) -> None:
        self._answer({"total": 0, "items": []})

    def _answer(self, data: object) -> None:
        body = orjson.dumps(data)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def world(settings: Settings) -> Iterator[World]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _SameId)
    Thread(target=server.serve_forever, daemon=True).start()
    made = World(settings, main={"gateway": "ark", "base_url": f"http://127.0.0.1:{server.server_port}"})
    yield made
    made.close()
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("limit", [10, 1])
def test_a_task_that_another_job_has_is_a_doubt_and_not_the_end_of_a_batch(world: World, limit: int) -> None:
    """Named for jobs of the same batch, or of different ones."""
    world.enqueue(4)
    for _ in range(4 // limit + 1):
        world.round(limit)
    assert world.states() == {"generating": 1, "unconfirmed": 3}
    [owner] = [job["id"] for job in world.jobs() if job["state"] == "generating"]
    doubts = [job for job in world.jobs() if job["state"] == "unconfirmed"]
    assert {job["reason"] for job in doubts} == {"task_taken"}
    for job in doubts:
        assert job["gateway_task_id"] is None
        [attempt] = world.rows("SELECT * FROM attempts WHERE job_id = %s", job["id"])
        assert (attempt["outcome"], attempt["gateway_task_id"]) == ("task_taken", None)
        assert attempt["error"]["holder"] == str(owner)
        assert str(owner) not in attempt["error"]["message"], "it may be another tenant's"
        assert [(item.task_id, item.source, item.taken) for item in candidates(attempt)] == [("cgt-1", "answer", True)]
    world.age(7200)
    world.reconcile()
    assert world.states() == {"generating": 1, "unconfirmed": 3}, "the gateway said that it took them"
    assert {job["reason"] for job in world.jobs() if job["state"] == "unconfirmed"} == {"held"}


def test_the_database_refuses_a_task_twice(world: World) -> None:
    world.enqueue(2)
    world.round()
    with pytest.raises(psycopg.errors.UniqueViolation), connect(world.url) as conn:
        conn.execute("UPDATE attempts SET gateway_task_id = 'cgt-1', outcome = 'accepted'")
