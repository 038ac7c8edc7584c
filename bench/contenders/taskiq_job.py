"""taskiq on Valkey streams: one asynchronous task a job, which sleeps between its polls."""

# mypy: ignore-errors
# Its libraries are installed in the contenders' environment, not in ours.

from __future__ import annotations

import asyncio

from taskiq import TaskiqEvents, TaskiqState
from taskiq_redis import RedisStreamBroker

from bench.contenders import async_work, settings

broker = RedisStreamBroker(
    url=settings.BROKER_URL,
    # The lock under which a worker takes what others have held too long has no end by itself: whoever is killed with
    # it in hand keeps it.
    unacknowledged_lock_timeout=10,
    # How long that is; a job must fit in it.
    **settings.tuning(idle_timeout=600_000),
)


@broker.on_event(TaskiqEvents.WORKER_STARTUP)
async def start(state: TaskiqState) -> None:
    """Open the client for the life of the worker."""
    state.session = async_work.open_session()


@broker.on_event(TaskiqEvents.WORKER_SHUTDOWN)
async def stop(state: TaskiqState) -> None:
    """Close it."""
    await state.session.close()


@broker.task
async def video(number: int) -> None:
    """One job from its submission to its object."""
    session = broker.state.session
    task_id = await async_work.submit(session, number)
    polls = 0
    while True:
        await asyncio.sleep(settings.wait_s(polls))
        polls += 1
        if (url := await async_work.ask(session, task_id)) is not None:
            break
    await async_work.copy(session, url, number)


async def _hand_in(count: int) -> None:
    await broker.startup()
    for number in range(count):
        await video.kiq(number)
    await broker.shutdown()


def enqueue(count: int) -> None:
    """Hand in the jobs."""
    asyncio.run(_hand_in(count))
