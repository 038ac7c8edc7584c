"""The error of a backup or a restore."""

from __future__ import annotations


class BackupFailed(Exception):
    """A dump or a restore that did not happen. The text is one line: what is wrong, and what to do."""
