"""Celery on Valkey: one task per step, and a countdown before every poll."""

# mypy: ignore-errors
# Its libraries are installed in the contenders' environment, not in ours.

from __future__ import annotations

from celery import Celery

from bench.contenders import settings, work

app = Celery("videos", broker=settings.BROKER_URL)
app.conf.update(
    task_ignore_result=True,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    broker_transport_options=settings.tuning(
        # The delay until a message returns after a crash. It must exceed the longest countdown.
        visibility_timeout=3600,
        unacked_restore_throttle=10,
    ),
)
RETRIES = {"autoretry_for": (OSError,), "retry_backoff": True, "max_retries": 5}


@app.task(**RETRIES)
def submit(number: int) -> None:
    """Start a generation."""
    task_id = work.submit(number)
    poll.apply_async((number, task_id, 1), countdown=settings.wait_s(0))


@app.task(**RETRIES)
def poll(number: int, task_id: str, polls: int) -> None:
    """Query the task; if the video is not ready, schedule the next poll."""
    url = work.ask(task_id)
    if url is None:
        poll.apply_async((number, task_id, polls + 1), countdown=settings.wait_s(polls))
    else:
        transfer.delay(number, url)


@app.task(**RETRIES)
def transfer(number: int, url: str) -> None:
    """Copy the video."""
    work.copy(url, number)


def enqueue(count: int) -> None:
    """Enqueue the jobs."""
    with app.producer_pool.acquire(block=True) as producer:
        for number in range(count):
            submit.apply_async((number,), producer=producer)
