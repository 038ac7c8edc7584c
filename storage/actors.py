"""Who decides: a key, a session, a person at the command line, a program. Events keep it.

A request or a command sets it once, for everything that it does; what scheduler and workers do has no actor.
"""

from __future__ import annotations

import getpass
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache

_OF_KEY = re.compile(r"(?:session of )?key .* \(([a-z0-9]+)\)", re.DOTALL)
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


def actor_of_key(name: str, key_id: str, *, session: bool = False) -> str:
    """A key, or a session that it opened, as an actor."""
    return f"{'session of ' if session else ''}key {name} ({key_id})"


@lru_cache(maxsize=256)
def key_of(actor: str | None) -> str | None:
    """The id of the key with which an actor acts; None: with none of the database."""
    found = None if actor is None else _OF_KEY.fullmatch(actor)
    return None if found is None else found[1]


def user_of(what: str) -> str:
    """The user of this process and its machine, such as `command line anna@studio-3`."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = str(os.geteuid())
    return f"{what} {user}@{socket.gethostname()}"
