"""Faults of the servers that reelq stands on, each with a name that doctor and its page share."""

from __future__ import annotations


class Fault(Exception):
    """A server does not do what reelq needs. The text is one line for people, without secrets.

    `code`: the row of docs/doctor.md that says what to do; each class has one for faults that have no row of their own.
    """

    code = "fault"

    def __init__(self, message: str, code: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code
