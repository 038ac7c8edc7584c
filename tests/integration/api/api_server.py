"""A real server with the API, in a thread of the test."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import cache
from typing import Any

import httpx
import uvicorn

from producer.api.app import create_app
from producer.client import Producer
from producer.http.server import server_config
from storage.jobs import attempts, transitions
from storage.jobs.reasons import Reason
from storage.jobs.records import AttemptOutcome, Move
from storage.jobs.states import JobState
from storage.settings import Settings
from tests.integration.api.declared_answers import Declarations, DeclaredAnswers
from tests.waiting import PATIENCE_S, wait_for

S = JobState
RATE = {"price": "0.5", "per": "second", "currency": "USD", "as_of": "2026-11-01"}
ACCOUNTS = {
    "accounts": [{"name": "main", "gateway": "anyfast", "api_key": "sk-secret-of-main", "rates": [RATE]}],
}


def with_account(settings: Settings) -> Settings:
    return Settings.model_validate(settings.model_dump() | ACCOUNTS)


@cache
def declarations() -> Declarations:
    """What the API declares: the same under any settings, so it is read once in a process."""
    any_settings = Settings(database_url="postgresql://127.0.0.1/none", broker_url="redis://127.0.0.1")
    return Declarations(create_app(any_settings).openapi())


@contextmanager
def serving(settings: Settings, host: str = "127.0.0.1") -> Iterator[httpx.Client]:
    """A client of a server of its own that listens at `host`. Every answer must be as its route declares it."""
    with serving_declared(settings, host) as (client, _):
        yield client


@contextmanager
def serving_declared(settings: Settings, host: str = "127.0.0.1") -> Iterator[tuple[httpx.Client, DeclaredAnswers]]:
    """The same, with what the routes declare and what of it the client has seen."""
    app = create_app(settings, host)
    answers = DeclaredAnswers(declarations())
    config = server_config(app, host, 0, log_level="critical", timeout_graceful_shutdown=30, lifespan="on")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        wait_for("the server has started or ended", lambda: server.started or not thread.is_alive(), every_s=0.01)
        assert thread.is_alive()
        port = server.servers[0].sockets[0].getsockname()[1]
        hooks = {"response": [answers.check]}
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_S, event_hooks=hooks) as client:
            yield client, answers
    finally:
        server.should_exit = True
        thread.join(PATIENCE_S)


@asynccontextmanager
async def calling(settings: Settings, base_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client that calls an application on this loop, without a server. The application starts and ends with it."""
    app = create_app(settings)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=base_url) as client,
    ):
        yield client


def bring(producer: Producer, job_id: str, state: JobState, **columns: Any) -> None:
    """Move a queued job on as the worker does; `columns` go to the last move."""
    job = producer.get(job_id)
    account = {"account": "main", "gateway": "anyfast", "model": "seedance"}
    task = {"gateway_task_id": f"task-{job.id}"}
    stored = {"object_key": f"videos/{job.id}.mp4", "sha256": "0" * 64, "size_bytes": 5}
    generated = [(S.SUBMITTING, account), (S.GENERATING, task)]
    roads: dict[JobState, list[tuple[JobState, dict[str, Any]]]] = {
        S.SUBMITTING: generated[:1],
        S.UNCONFIRMED: [*generated[:1], (S.UNCONFIRMED, {})],
        S.GENERATING: generated,
        S.TRANSFERRING: [*generated, (S.TRANSFERRING, {"video_url": "http://a/b.mp4"})],
        S.SUCCEEDED: [*generated, (S.TRANSFERRING, {"video_url": "http://a/b.mp4"}), (S.SUCCEEDED, stored)],
        S.FAILED: [*generated[:1], (S.FAILED, {"error": {"code": "x", "message": "y"}})],
    }
    at = job.state
    road = roads[state]
    if at is not S.QUEUED:
        road = road[[target for target, _ in road].index(at) + 1 :]
    for target, patch in road:
        with producer.database.begin() as conn:
            last = columns if target is state else {}
            reason = Reason.HELD if target is S.UNCONFIRMED else Reason.SUBMIT
            [moved] = transitions.move(conn, [Move(job.id, (at,), target, reason, due_in_s=60.0, patch=patch | last)])
            if target is S.SUBMITTING:
                conn.execute(
                    "INSERT INTO attempts (job_id, number, account, model) VALUES (%s, %s, 'main', 'seedance')",
                    [job.id, moved.attempt],
                )
            if target is S.GENERATING:
                attempts.finish_attempts(
                    conn, [AttemptOutcome(job.id, moved.attempt, Reason.ACCEPTED, 200, str(task))], []
                )
        at = target
