"""taskiq on Valkey streams: one asynchronous task per job, which sleeps between polls."""

# mypy: ignore-errors
# Its libraries are installed in the contenders' environment, not in ours.

from __future__ import annotations

import asyncio

from taskiq import TaskiqEvents, TaskiqState
from taskiq_redis import RedisStreamBroker

from bench.contenders import async_work, settings

broker = RedisStreamBroker(
    url=settings.BROKER_URL,
    # Workers take over messages of others under this lock. By default it never expires, so a worker that is killed
    # while it holds the lock would keep it.
    unacknowledged_lock_timeout=10,
    # Messages are taken over after this time; it must exceed the duration of a job.
    **settings.tuning(idle_timeout=600_000),
)


@broker.on_event(TaskiqEvents.WORKER_STARTUP)
async def start(state: TaskiqState) -> None:
    """Open the client for the lifetime of the worker."""
    state.session = async_work.open_session()


@broker.on_event(TaskiqEvents.WORKER_SHUTDOWN)
async def stop(state: TaskiqState) -> None:
    """Close the client."""
    await state.session.close()


@broker.task
async def video(number: int) -> None:
    """One job, from its submission to its stored video."""
    session = broker.state.session
    task_id = await async_work.submit(session, number)
    polls = 0
    while True:
        await asyncio.sleep(settings.wait_s(polls))
        polls += 1
        if (url := await async_work.ask(session, task_id)) is not None:
            break
    await async_work.copy(session, url, number)


async def _enqueue(count: int) -> None:
    await broker.startup()
    for number in range(count):
        await video.kiq(number)
    await broker.shutdown()


def enqueue(count: int) -> None:
    """Enqueue the jobs."""
    asyncio.run(_enqueue(count))
