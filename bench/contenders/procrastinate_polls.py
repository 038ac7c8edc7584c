"""procrastinate on PostgreSQL: one task per step, and a scheduled job before every poll."""

# mypy: ignore-errors
# Its libraries are installed in the contenders' environment, not in ours.

from __future__ import annotations

import asyncio
from functools import cache

from procrastinate import App, PsycopgConnector, RetryStrategy

from bench.contenders import async_work, settings

app = App(connector=PsycopgConnector(conninfo=settings.DATABASE_URL, max_size=10))
RETRY = RetryStrategy(max_attempts=5, exponential_wait=2)
WORKER = {
    "concurrency": 50,
    # Workers get no notification when a scheduled job is due; they find it by polling.
    "fetch_job_polling_interval": 0.5,
    "delete_jobs": "successful",
}


@cache
def _session():
    return async_work.open_session()


@app.task(retry=RETRY)
async def submit(number: int) -> None:
    """Start a generation."""
    task_id = await async_work.submit(_session(), number)
    await _poll_later(number, task_id, 0)


@app.task(retry=RETRY)
async def poll(number: int, task_id: str, polls: int) -> None:
    """Query the task; if the video is not ready, schedule the next poll."""
    url = await async_work.ask(_session(), task_id)
    if url is None:
        await _poll_later(number, task_id, polls)
    else:
        await transfer.defer_async(number=number, url=url)


async def _poll_later(number: int, task_id: str, polls: int) -> None:
    wait = {"seconds": settings.wait_s(polls)}
    await poll.configure(schedule_in=wait).defer_async(number=number, task_id=task_id, polls=polls + 1)


@app.task(retry=RETRY)
async def transfer(number: int, url: str) -> None:
    """Copy the video."""
    await async_work.copy(_session(), url, number)


STALLED_S = 30


@app.periodic(cron="* * * * * */10")
@app.task(queueing_lock="retry_stalled", pass_context=True)
async def retry_stalled(context, timestamp: int) -> None:
    """Retry the jobs of dead workers, as in "retry stalled jobs" of the manual."""
    for job in await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=STALLED_S):
        await app.job_manager.retry_job(job)


async def _work() -> None:
    async with app.open_async():
        print("working", flush=True)
        await app.run_worker_async(**WORKER)


async def _enqueue(count: int) -> None:
    async with app.open_async():
        await submit.batch_defer_async(*({"number": number} for number in range(count)))


async def _create_tables() -> None:
    async with app.open_async():
        await app.schema_manager.apply_schema_async()


def work() -> None:
    """Run a worker until it is stopped."""
    asyncio.run(_work())


def enqueue(count: int) -> None:
    """Enqueue all jobs in one statement."""
    asyncio.run(_enqueue(count))


def prepare() -> None:
    """Create the tables."""
    asyncio.run(_create_tables())
