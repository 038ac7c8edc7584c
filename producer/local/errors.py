"""What stops `reelq up`."""

from __future__ import annotations


class StackError(Exception):
    """The stack cannot be started. The text is one line that says what to do; the exit code is 2."""
