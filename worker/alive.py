"""A file whose time shows that a process works: health checks of containers look at it, because starting Python for
each check costs a second of CPU."""

from __future__ import annotations

import logging
import os
from concurrent.futures import TimeoutError as NotAnswered
from pathlib import Path

from worker.runtime import Runtime

log = logging.getLogger("reelq.alive")

LOOP_ANSWERS_S = 5.0
"""A loop that has not answered for this long is stuck; a busy one answers within milliseconds."""


def show_alive(path: Path | None) -> None:
    """Renew the time of the file; None: no file is configured. If it cannot be written, that is logged."""
    if path is None:
        return
    try:
        path.touch()
        os.utime(path)
    except OSError as exc:
        log.warning("alive.not_written path=%s error=%s", path, exc)


def loop_answers(running: Runtime) -> bool:
    """Whether the process's event loop, on which everything runs, takes up work."""
    question = _nothing()
    try:
        running.start(question).result(LOOP_ANSWERS_S)
    except RuntimeError:  # the loop is closed: the process is about to end
        question.close()
        return False
    except NotAnswered:
        log.error("alive.loop_stuck seconds=%g", LOOP_ANSWERS_S)
        return False
    return True


async def _nothing() -> None:
    return None
