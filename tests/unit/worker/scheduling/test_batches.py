"""How much a round claims, when the next one follows at once, and which periodic tasks share a round."""

from __future__ import annotations

import time
from typing import Any

import pytest

from worker.scheduling.batches import Limit, jobs_a_message
from worker.scheduling.maintenance import PERIODIC_S, Periodic, in_turn


@pytest.mark.parametrize(
    ("fit", "claimed", "leaves_more"),
    [(1000, 100, True), (1000, 99, False), (100, 100, False), (40, 40, False), (0, 0, False)],
    ids=["a full round", "nothing is left", "the queue is full now", "the queue was nearly full", "no room"],
)
def test_the_next_round_follows_at_once_while_there_is_more_and_room_for_it(
    fit: int, claimed: int, leaves_more: bool
) -> None:
    limit = Limit(fit, most=100)
    assert limit.jobs == min(fit, 100)
    assert limit.leaves_more(claimed) is leaves_more


@pytest.mark.parametrize(
    ("claimed", "workers", "size"),
    [(80, 0, 40), (80, 1, 80), (80, 2, 40), (80, 3, 40), (30, 1, 40), (0, 1, 40)],
    ids=["not known", "one gets all", "one message each", "a message is worth its transactions", "few", "none"],
)
def test_jobs_are_split_between_the_workers(claimed: int, workers: int, size: int) -> None:
    assert jobs_a_message(claimed, workers, 40) == size


def periodic(*wanted: tuple[float, float]) -> list[Periodic]:
    """Tasks that are due at a time and take a share of what a round has for them."""
    tasks = [Periodic(60.0, lambda conn, settings: 0) for _ in wanted]
    for task, (next_at, share) in zip(tasks, wanted, strict=True):
        task.next_at, task.takes_s = next_at, share * PERIODIC_S
    return tasks


def test_periodic_tasks_share_what_a_round_has_for_them() -> None:
    first, second, third, later = tasks = periodic((3.0, 0.3), (1.0, 0.5), (2.0, 0.4), (9.0, 0.0))
    assert in_turn(tasks, now=5.0) == [second, third], "the longest overdue come first"
    second.next_at = third.next_at = 65.0
    assert in_turn(tasks, now=5.0) == [first]
    assert later not in in_turn(tasks, now=5.0)


def test_a_task_that_fails_is_due_again_after_its_time() -> None:
    def fail(conn: object, settings: object) -> int:
        raise RuntimeError("of another program")

    task: Any = Periodic(60.0, fail)
    with pytest.raises(RuntimeError):
        task(None, None)
    assert not in_turn([task], now=time.monotonic() + 59.0)


def test_a_task_that_takes_longer_than_a_round_has_runs_alone() -> None:
    long, short = tasks = periodic((1.0, 30.0), (2.0, 0.1))
    assert in_turn(tasks, now=5.0) == [long]
    long.next_at = 65.0
    assert in_turn(tasks, now=5.0) == [short]
