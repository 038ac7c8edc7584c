"""A process submits so many jobs at once; a message that is larger than that is submitted alone."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from tests.waiting import is_waited_for, wait_for
from worker.submitting.under_way import MOST_JOBS, UnderWay

LONG_S = 30.0


class Batch(threading.Thread):
    """A message that is submitted until it may end."""

    def __init__(self, under_way: UnderWay, jobs: int) -> None:
        super().__init__(daemon=True)
        self.under_way, self.jobs = under_way, jobs
        self.began, self.may_end, self.given_back = threading.Event(), threading.Event(), threading.Event()

    def run(self) -> None:
        with self.under_way.of(self.jobs) as may_begin:
            if not may_begin:
                self.given_back.set()
                return
            self.began.set()
            assert self.may_end.wait(LONG_S)


def batches(*jobs: int) -> list[Batch]:
    runtime: Any = SimpleNamespace(stopping=threading.Event())
    under_way = UnderWay(runtime)
    return [Batch(under_way, count) for count in jobs]


@pytest.mark.parametrize("jobs", [(MOST_JOBS, 1), (MOST_JOBS + 1, 1), (1, MOST_JOBS + 1)], ids=["full", "large", "too"])
def test_what_has_no_room_waits(jobs: tuple[int, int]) -> None:
    first, second = batches(*jobs)
    first.start()
    assert first.began.wait(LONG_S)
    second.start()
    assert not second.began.wait(0.05)
    first.may_end.set()
    assert second.began.wait(LONG_S), "it has room now, or is alone"
    second.may_end.set()


def test_what_fits_does_not_wait() -> None:
    both = batches(MOST_JOBS // 2, MOST_JOBS // 2)
    for batch in both:
        batch.start()
        assert batch.began.wait(LONG_S)
    for batch in both:
        batch.may_end.set()


def test_what_waits_is_not_begun_once_the_process_must_end() -> None:
    first, second = batches(MOST_JOBS, 1)
    first.start()
    assert first.began.wait(LONG_S)
    second.start()
    wait_for("the second waits", lambda: is_waited_for(second.under_way._fewer))
    second.under_way.runtime.stopping.set()
    assert second.given_back.wait(LONG_S), "it does not wait for the end of the first"
    first.may_end.set()
    first.join(LONG_S)
    third = Batch(second.under_way, 1)
    third.start()
    assert third.given_back.wait(LONG_S), "nor is one that comes later"
    assert not second.began.is_set()
    assert not third.began.is_set()
