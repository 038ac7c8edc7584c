"""dramatiq on Valkey: one actor per step, and a delayed message before every poll."""

# mypy: ignore-errors
# Its libraries are installed in the contenders' environment, not in ours.

from __future__ import annotations

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from bench.contenders import settings, work

# The silence after which a worker's messages go to others, and how many of a million commands check for it.
dramatiq.set_broker(
    RedisBroker(url=settings.BROKER_URL, **settings.tuning(heartbeat_timeout=60_000, maintenance_chance=1_000))
)


@dramatiq.actor(max_retries=5)
def submit(number: int) -> None:
    """Start a generation."""
    task_id = work.submit(number)
    poll.send_with_options(args=(number, task_id, 1), delay=int(settings.wait_s(0) * 1000))


@dramatiq.actor(max_retries=5)
def poll(number: int, task_id: str, polls: int) -> None:
    """Query the task; if the video is not ready, schedule the next poll."""
    url = work.ask(task_id)
    if url is None:
        poll.send_with_options(args=(number, task_id, polls + 1), delay=int(settings.wait_s(polls) * 1000))
    else:
        transfer.send(number, url)


@dramatiq.actor(max_retries=5)
def transfer(number: int, url: str) -> None:
    """Copy the video."""
    work.copy(url, number)


def enqueue(count: int) -> None:
    """Enqueue the jobs."""
    for number in range(count):
        submit.send(number)
