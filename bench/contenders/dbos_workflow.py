"""DBOS Transact on PostgreSQL: one durable workflow per job, a step per call, durable sleeps between polls."""

# mypy: ignore-errors
# Its libraries are installed in the contenders' environment, not in ours.

from __future__ import annotations

import signal
import threading

from dbos import DBOS, DBOSClient, Queue

from bench.contenders import async_work, settings

CONFIG = {
    "name": "videos",
    "system_database_url": settings.DATABASE_URL,
    "application_version": "1",
    "executor_id": "bench",
    "run_admin_server": False,
    "log_level": "WARNING",
}
QUEUE = "videos"
_session = None


def session():
    """One client for the lifetime of the process."""
    global _session
    if _session is None:
        _session = async_work.open_session()
    return _session


@DBOS.step(retries_allowed=True)
async def submit(number: int) -> str:
    """Start a generation."""
    return await async_work.submit(session(), number)


@DBOS.step(retries_allowed=True)
async def ask(task_id: str) -> str | None:
    """The URL of the video; None while it is not ready."""
    return await async_work.ask(session(), task_id)


@DBOS.step(retries_allowed=True)
async def transfer(number: int, url: str) -> None:
    """Copy the video."""
    await async_work.copy(session(), url, number)


@DBOS.workflow()
async def video(number: int) -> None:
    """One job, from its submission to its stored video."""
    task_id = await submit(number)
    polls = 0
    while True:
        # No jitter: a workflow must be deterministic when it is replayed.
        await DBOS.sleep_async(min(settings.FIRST_WAIT_S * settings.GROWTH**polls, settings.MAX_WAIT_S))
        polls += 1
        if (url := await ask(task_id)) is not None:
            break
    await transfer(number, url)


def work() -> None:
    """Run a worker until it is stopped."""
    DBOS(config=CONFIG)
    Queue(QUEUE, worker_concurrency=200, polling_interval_sec=0.2)
    DBOS.launch()
    print("working", flush=True)
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    stopped.wait()
    DBOS.destroy()


def enqueue(count: int) -> None:
    """Enqueue the jobs."""
    client = DBOSClient(system_database_url=settings.DATABASE_URL)
    options = {"queue_name": QUEUE, "workflow_name": video.__qualname__, "app_version": "1"}
    for number in range(count):
        client.enqueue(options, number)
    client.destroy()
