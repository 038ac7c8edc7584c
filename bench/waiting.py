"""Wait for a condition, with a time limit."""

from __future__ import annotations

import time
from collections.abc import Callable


class NotInTime(Exception):
    """A condition was not met in time; the text names it."""


def wait_for(what: str, condition: Callable[[], bool], timeout_s: float, step_s: float = 0.1) -> None:
    """Return as soon as the condition holds.

    Raises:
        NotInTime: it did not hold within `timeout_s`.
    """
    until = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > until:
            raise NotInTime(f"not within {timeout_s:g} s: {what}")
        time.sleep(step_s)


def wait_to_reach(wanted: int, count: Callable[[], int], stall_s: float, timeout_s: float) -> None:
    """Return as soon as the count reaches `wanted`.

    Raises:
        NotInTime: it did not within `timeout_s`, or it did not grow for `stall_s`.
    """
    began = grew = time.monotonic()
    best = 0
    while (now := count()) < wanted:
        if now > best:
            best, grew = now, time.monotonic()
        if time.monotonic() - grew > stall_s or time.monotonic() - began > timeout_s:
            raise NotInTime(f"{best} of {wanted} done after {time.monotonic() - began:.0f} s")
        time.sleep(0.1)
