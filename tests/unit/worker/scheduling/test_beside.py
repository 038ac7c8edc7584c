"""What runs beside a thread is taken by it, or dropped: nothing that was claimed is forgotten."""

from __future__ import annotations

import threading
import time

import pytest

from tests.waiting import PATIENCE_S
from worker.scheduling import beside as module
from worker.scheduling.beside import beside


def test_it_runs_beside_the_block_which_takes_its_result() -> None:
    both, dropped = threading.Barrier(2, timeout=PATIENCE_S), list[int]()

    def work() -> int:
        both.wait()
        return 3

    with beside(work, dropped.append) as take:
        both.wait()
        assert take() == 3
    assert dropped == []


def test_its_exception_is_raised_where_the_result_is_taken() -> None:
    def fail() -> int:
        raise LookupError("gone")

    dropped = list[int]()
    with pytest.raises(LookupError, match="gone"), beside(fail, dropped.append) as take:
        take()
    assert dropped == []


def test_what_is_not_taken_is_dropped_after_its_end() -> None:
    def work() -> int:
        time.sleep(0.1)
        return 3

    dropped = list[int]()
    with pytest.raises(LookupError), beside(work, dropped.append):
        raise LookupError
    assert dropped == [3]


def test_the_exception_of_the_block_counts_where_both_fail() -> None:
    def fail() -> int:
        raise ValueError("beside")

    dropped = list[int]()
    with pytest.raises(LookupError, match="block"), beside(fail, dropped.append):
        raise LookupError("block")
    assert dropped == []


def test_a_process_that_is_stopped_drops_what_was_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    dropped = list[int]()
    with pytest.raises(SystemExit), beside(lambda: 3, dropped.append):
        raise SystemExit
    assert dropped == [3]
    monkeypatch.setattr(module, "STOP_S", 0.05)
    hangs = threading.Event()

    def work() -> int:
        hangs.wait(PATIENCE_S)
        return 4

    began = time.monotonic()
    with pytest.raises(SystemExit), beside(work, dropped.append):
        raise SystemExit
    assert time.monotonic() - began < PATIENCE_S / 2, "it does not wait for what hangs"
    hangs.set()
    assert dropped == [3]


def test_without_a_thread_it_runs_before_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with beside(lambda: threading.current_thread(), lambda _: None) as take:
        assert take() is threading.current_thread()
