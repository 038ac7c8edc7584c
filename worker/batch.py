"""Process a batch: all items concurrently on the event loop; outcomes are written as they arrive, those of the same few
milliseconds together."""

from __future__ import annotations

import asyncio
import logging
import queue
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from storage.database import DatabaseUnavailable
from worker.retry import DATABASE_WRITE
from worker.runtime import Runtime

log = logging.getLogger("reelq.batch")
Item = TypeVar("Item")
Outcome = TypeVar("Outcome")

GATHER_S = 0.003
"""How long to gather outcomes before they are written. That of a POST must not wait: it names what was paid for."""
# The database may restart. An outcome that is not written loses a task id, and a person must then check the job.
WRITE_FOR_S = 600.0


def run_batch(
    runtime: Runtime,
    items: Sequence[Item],
    work: Callable[[Item], Awaitable[Outcome | None]],
    write: Callable[[list[Outcome]], None],
    gather_s: float = GATHER_S,
) -> None:
    """Run `work` for all items on the event loop and `write` the outcomes from this thread, until every item has one.

    `gather_s`: how long an outcome may wait for others, to be written with them; the last one never waits.
    `work` must turn every failure into an outcome: an exception is logged, and the item becomes due after its lease.
    Where it gives None there is nothing to write.
    """
    done: queue.SimpleQueue[list[Outcome | None]] = queue.SimpleQueue()
    gathered: list[Outcome | None] = []
    open_items = len(items)

    def hand_over() -> None:
        nonlocal gathered
        if gathered:
            done.put(gathered)
            gathered = []

    async def one(item: Item) -> None:
        nonlocal open_items
        outcome = None
        try:
            outcome = await work(item)
        except Exception:
            log.exception("batch.item_failed")
        finally:
            # Gathered on the loop: waking this batch's thread for each of them costs more than many a write.
            gathered.append(outcome)
            open_items -= 1
            if not open_items:
                hand_over()
            elif len(gathered) == 1:
                asyncio.get_running_loop().call_later(gather_s, hand_over)

    async def begin() -> list[asyncio.Task[None]]:
        return [asyncio.create_task(one(item)) for item in items]

    started = runtime.start(begin())
    left = len(items)
    while left:
        outcomes = done.get()
        while not done.empty():  # they came during the last write
            outcomes += done.get()
        left -= len(outcomes)
        real = [outcome for outcome in outcomes if outcome is not None]
        if real:
            write_each(write, real)
    started.result()  # the tasks, which the loop itself would forget while they wait


def write_each(write: Callable[[list[Outcome]], None], outcomes: list[Outcome]) -> None:
    """Write a batch; if the database refuses it, write each outcome alone, so that a bad one does not block the rest.
    The second try also resolves conflicts: the transaction that lost now sees what the other one wrote."""
    try:
        _write_surely(write, outcomes)
    except DatabaseUnavailable:
        raise
    except Exception as exc:  # noqa: BLE001 - each is tried alone
        log.warning("batch.written_one_by_one outcomes=%d error=%s", len(outcomes), exc)
        for outcome in outcomes:
            _write_one(write, outcome)


def _write_one(write: Callable[[list[Outcome]], None], outcome: Outcome) -> None:
    try:
        _write_surely(write, [outcome])
    except DatabaseUnavailable:
        raise
    except Exception:
        log.exception("batch.outcome_refused")


def _write_surely(write: Callable[[list[Outcome]], None], outcomes: list[Outcome]) -> None:
    until = time.monotonic() + WRITE_FOR_S
    tries = 0
    while True:
        try:
            write(outcomes)
            return
        except DatabaseUnavailable as exc:
            if time.monotonic() > until:
                raise
            log.warning("batch.write_delayed error=%s", exc)
            tries += 1
            time.sleep(DATABASE_WRITE.wait_s(tries))
