"""The floor: one script, one event loop, nothing stored. Unfinished jobs are lost when the script dies."""

# mypy: ignore-errors
# Its libraries are installed in the contenders' environment, not in ours.

from __future__ import annotations

import asyncio
import os

os.environ["BENCH_UPLOAD"] = "by-hand"

from bench.contenders import async_work, settings


async def job(session, number: int) -> None:
    """One job, from its submission to its stored video."""
    task_id = await async_work.submit(session, number)
    polls = 0
    while True:
        await asyncio.sleep(settings.wait_s(polls))
        polls += 1
        if (url := await async_work.ask(session, task_id)) is not None:
            break
    await async_work.copy(session, url, number)


async def _all(count: int) -> None:
    async with async_work.open_session() as session:
        await asyncio.gather(*(job(session, number) for number in range(count)))


def enqueue(count: int) -> None:
    """Do all the work at once."""
    asyncio.run(_all(count))
