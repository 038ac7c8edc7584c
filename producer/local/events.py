"""The events of a stack."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class EventKind(StrEnum):
    STARTED = "started"  # a child runs for the first time
    EXITED = "exited"  # a child ended unexpectedly; it will be restarted
    RESTARTED = "restarted"
    MIGRATED = "migrated"  # the database is up to date
    READY = "ready"  # jobs can run; the text is the URL of the API
    WAITING = "waiting"  # not ready after a while; the text names the missing parts
    STOPPING = "stopping"
    KILLED = "killed"  # a child did not stop in time
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class StackEvent:
    """A change of the stack or of one child."""

    kind: EventKind
    name: str = ""
    """The name of the child; empty for the stack."""
    text: str = ""
    """One line of detail; may be empty."""

    def __str__(self) -> str:
        return " ".join(part for part in (self.name, str(self.kind), self.text) if part)
