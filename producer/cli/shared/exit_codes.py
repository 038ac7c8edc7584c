"""What a command's exit code means."""

from __future__ import annotations

SOME_FAILED = 1
"""Some jobs failed, or something could not be done."""
BAD_INPUT = 2
"""The input or the configuration is wrong; nothing was done."""
INTERRUPTED = 130
"""Ctrl-C."""
