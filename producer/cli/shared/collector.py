"""When Python's garbage collector runs in a command."""

from __future__ import annotations

import gc

_USUAL = gc.get_threshold()
_YOUNG = 200_000
"""New objects before it runs; what a short command imports and 2,000 rows are fewer."""


def collect_seldom() -> None:
    """For a command that soon ends: most of what it imports stays, and to look for circles in it takes a tenth of the
    start."""
    gc.set_threshold(_YOUNG, *_USUAL[1:])


def collect_as_usual() -> None:
    """For a command that runs until it is stopped: garbage of its work must not pile up. What it has imported stays. A
    program that calls a command keeps its own thresholds."""
    if gc.get_threshold()[0] == _YOUNG:
        gc.freeze()
        gc.set_threshold(*_USUAL)
