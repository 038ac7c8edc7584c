"""The error that ends `reelq up`."""

from __future__ import annotations


class StackError(Exception):
    """The stack cannot start. The text is one line that says what to do; the exit status is 2."""
