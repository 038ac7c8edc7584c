"""Garbage collection in a process that has loaded its libraries: they are not looked through again and again.

Python's collector walks every object that it tracks once enough new ones have come. A worker has some 150,000 from its
imports, none of which is ever garbage, and ten new jobs make enough new ones. That was a fifth of the CPU of submits
and polls, and a pause of the event loop each time.
"""

from __future__ import annotations

import gc

OFTEN = (5_000, 20, 20)
"""New objects before a collection; then how many collections of one generation before one of the next. Garbage in a
cycle waits for at most 5,000 objects, so it stays small beside the bytes of the videos."""
SELDOM = (50_000, 20, 20)
"""For a process that copies no videos: what waits is a few megabytes there, and most new objects are of jobs, alive."""


def spare_loaded(thresholds: tuple[int, int, int] = OFTEN) -> None:
    """Collect from now on, but no more what is alive now. Call once, when the process has loaded what it needs.
    `thresholds`: as `gc.set_threshold` takes them."""
    # Not collected before: to look through 170,000 objects takes 70 ms of CPU, and 1,600 of them were dead.
    gc.freeze()
    gc.set_threshold(*thresholds)
    gc.enable()
