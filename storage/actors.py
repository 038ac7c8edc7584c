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
from enum import StrEnum
from functools import lru_cache

_OF_KEY = re.compile(r"(?:session of )?key .* \(([a-z0-9]+)\)", re.DOTALL)
_acting: ContextVar[str | None] = ContextVar("reelq_actor", default=None)


class Kind(StrEnum):
    """The first words of an actor. Its name follows, of those of the settings and of this machine none."""

    COMMAND_LINE = "command line"
    PROGRAM = "program"  # beside the database, with `Producer`
    LOCAL_PROGRAM = "local program"  # through the API without a key
    KEY = "key"
    SESSION = "session of key"  # of a browser
    SETTINGS_KEY = "key of the settings"
    SETTINGS_SESSION = "session of the key of the settings"


_KINDS = sorted(Kind, key=len, reverse=True)


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
    return f"{Kind.SESSION if session else Kind.KEY} {name} ({key_id})"


def kind_of(actor: str) -> tuple[Kind | None, str]:
    """The kind of an actor and its name ("": none); a program's own words are no kind, but all name."""
    for kind in _KINDS:
        if actor == kind or actor.startswith(f"{kind} "):
            return kind, actor[len(kind) + 1 :]
    return None, actor


@lru_cache(maxsize=256)
def key_of(actor: str | None) -> str | None:
    """The id of the key with which an actor acts; None: with none of the database."""
    found = None if actor is None else _OF_KEY.fullmatch(actor)
    return None if found is None else found[1]


def user_of(what: Kind) -> str:
    """The user of this process and its machine, such as `command line anna@studio-3`."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = str(os.geteuid())
    return f"{what} {user}@{socket.gethostname()}"
