"""Wait for a condition, with a limit that holds on a loaded machine."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE_S = 90.0
"""For what takes seconds on an idle machine: only a condition that never holds takes this long."""


def wait_for(what: str, condition: Callable[[], T | None], timeout_s: float = PATIENCE_S, every_s: float = 0.05) -> T:
    """Return the first true answer; fail with `what` after `timeout_s`."""
    until = time.monotonic() + timeout_s
    while not (answer := condition()):
        assert time.monotonic() < until, f"not within {timeout_s:g} s: {what}"
        time.sleep(every_s)
    return answer


def is_waited_for(condition: threading.Condition) -> bool:
    """Whether a thread waits for this condition now."""
    return bool(vars(condition)["_waiters"])
