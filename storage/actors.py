"""Who decides: a key, a session, a person at the command line, a program. Events keep it.

A request or a command sets it once, for everything that it does; what scheduler and workers do has no actor.
"""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_acting: ContextVar[str | None] = ContextVar("reelq_actor", default=None)


def current_actor() -> str | None:
    """Who acts now; None: the system itself."""
    return _acting.get()


@contextmanager
def acting(actor: str | None) -> Iterator[None]:
    """Name who decides what is written within. Threads do not inherit it."""
    token = _acting.set(actor)
    try:
        yield
    finally:
        _acting.reset(token)


def user_of(what: str) -> str:
    """The user of this process and its machine, such as `command line anna@studio-3`."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = str(os.geteuid())
    return f"{what} {user}@{socket.gethostname()}"
