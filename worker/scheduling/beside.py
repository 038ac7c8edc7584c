"""Run one thing in a thread of its own while another one runs in this thread."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from threading import Thread
from typing import TypeVar

log = logging.getLogger("reelq.beside")

STOP_S = 2.0
"""How long a process that is being stopped waits for the other thread."""

T = TypeVar("T")


@contextmanager
def beside(work: Callable[[], T], drop: Callable[[T], None]) -> Iterator[Callable[[], T]]:
    """Run `work` beside the block, which gets a function that waits for the result, and raises what `work` has raised.

    The block must take the result. If an exception ends it before, `drop` gets the result. Where no thread can be
    started, `work` runs in this one, before the block.
    """
    future: Future[T] = Future()
    taken = False

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as exc:  # noqa: BLE001 - it is raised where the result is taken
            future.set_exception(exc)

    def take() -> T:
        nonlocal taken
        result = future.result()
        taken = True
        return result

    def drop_untaken(wait_s: float | None) -> None:
        if taken:
            return
        try:
            result = future.result(wait_s)
        except Exception as exc:  # noqa: BLE001 - the block's own exception counts
            log.debug("beside.dropped error=%r", exc)
        else:
            drop(result)

    try:
        try:
            Thread(target=run, name="reelq-beside", daemon=True).start()
        except RuntimeError:  # no thread is left
            run()
        yield take
    except Exception:
        drop_untaken(None)  # two of them would get into each other's way
        raise
    except BaseException:  # the process is stopped; it does not wait for a database that hangs
        drop_untaken(STOP_S)
        raise
