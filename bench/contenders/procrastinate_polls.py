"""procrastinate on PostgreSQL: a task a step, and a job scheduled for every poll."""

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
    # A scheduled job is not notified when its time has come; it is found by looking.
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
    """Ask, and ask again later unless the video is ready."""
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
    """Take up again what dead workers held, as the manual's "retry stalled jobs" shows."""
    for job in await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=STALLED_S):
        await app.job_manager.retry_job(job)


async def _work() -> None:
    async with app.open_async():
        print("working", flush=True)
        await app.run_worker_async(**WORKER)


async def _hand_in(count: int) -> None:
    async with app.open_async():
        await submit.batch_defer_async(*({"number": number} for number in range(count)))


async def _make_tables() -> None:
    async with app.open_async():
        await app.schema_manager.apply_schema_async()


def work() -> None:
    """Run a worker until it is stopped."""
    asyncio.run(_work())


def enqueue(count: int) -> None:
    """Hand in the jobs, all in one statement."""
    asyncio.run(_hand_in(count))


def prepare() -> None:
    """Make the tables."""
    asyncio.run(_make_tables())
