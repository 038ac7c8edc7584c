"""Renew after a fork what a child process must not share with its parent: sockets, locks, threads."""

from __future__ import annotations

import os
import threading
from typing import Protocol
from weakref import WeakSet


class Renewable(Protocol):
    """Holds something that does not survive a fork."""

    def after_fork(self) -> None:
        """Called in the child, before it has any other thread. Replace it, and leave the parent's alone."""


IMPORTING = threading.RLock()
"""Hold it in a thread that imports modules: a fork waits for that. In the child no thread would go on with the import,
and each that needs the module would wait for ever."""
_known: WeakSet[Renewable] = WeakSet()


def renew_after_fork(holder: Renewable) -> None:
    """Call `holder.after_fork` in every child process that is forked from now on."""
    _known.add(holder)


def _after_fork() -> None:
    IMPORTING.release()
    for holder in list(_known):
        holder.after_fork()


os.register_at_fork(before=IMPORTING.acquire, after_in_parent=IMPORTING.release, after_in_child=_after_fork)
