"""What a stack tells whoever watches it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class EventKind(StrEnum):
    STARTED = "started"  # a child runs for the first time
    EXITED = "exited"  # a child ended by itself; it is started again
    RESTARTED = "restarted"
    MIGRATED = "migrated"  # the database is up to date
    READY = "ready"  # jobs can run; the text says where the API is
    WAITING = "waiting"  # not ready yet after a while; the text says what is missing
    STOPPING = "stopping"
    KILLED = "killed"  # a child did not stop in time
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class StackEvent:
    """Something happened to the stack or to one child."""

    kind: EventKind
    name: str = ""
    """The child, "" for the stack."""
    text: str = ""
    """One line for people, may be empty."""

    def __str__(self) -> str:
        return " ".join(part for part in (self.name, str(self.kind), self.text) if part)
