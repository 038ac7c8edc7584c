"""A batch: every item is worked on at once on the loop, and outcomes are written as they come, those of the same few
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
# An outcome that is not written is a task id lost, and a job that a person must look into: the database may restart.
WRITE_FOR_S = 600.0


def run_batch(
    runtime: Runtime,
    items: Sequence[Item],
    work: Callable[[Item], Awaitable[Outcome]],
    write: Callable[[list[Outcome]], None],
) -> None:
    """Do `work` for all items on the loop and `write` the outcomes from this thread, until every item has one.

    `work` must turn every failure into an outcome: an exception from it is logged and leaves the item to its lease.
    """
    done: queue.SimpleQueue[Outcome | None] = queue.SimpleQueue()

    async def one(item: Item) -> None:
        outcome = None
        try:
            outcome = await work(item)
        except Exception:
            log.exception("batch.item_failed")
        finally:
            done.put(outcome)

    async def all_of_them() -> None:
        await asyncio.gather(*(one(item) for item in items), return_exceptions=True)

    future = runtime.start(all_of_them())
    left = len(items)
    while left:
        outcomes = [done.get()]
        until = time.monotonic() + GATHER_S
        while len(outcomes) < left:
            try:
                outcomes.append(done.get(timeout=max(0.0, until - time.monotonic())))
            except queue.Empty:
                break
        left -= len(outcomes)
        real = [outcome for outcome in outcomes if outcome is not None]
        if real:
            _write_each(write, real)
    future.result()


def _write_each(write: Callable[[list[Outcome]], None], outcomes: list[Outcome]) -> None:
    """Write a batch; if the database refuses it, one by one, so that one bad outcome does not take the rest along. Each
    has a second chance: where two transactions wanted the same thing, the one that lost sees who has it."""
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
