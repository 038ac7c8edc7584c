"""A clock that also runs while the process or the machine is stopped."""

from __future__ import annotations

import time

_BOOT_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def boottime_s() -> float:
    """Seconds since the machine was started."""
    return time.clock_gettime(_BOOT_CLOCK)
