"""The children's log files: kept small, and kept for one more start."""

from __future__ import annotations

import shutil
from pathlib import Path

LIMIT_BYTES = 20 * 2**20


def previous(log: Path) -> Path:
    """Where a log goes when it is full, or when its stack is started again."""
    return log.with_name(f"{log.name}.1")


def begin(log: Path) -> None:
    """Put the log of the last run aside."""
    if log.exists():
        log.replace(previous(log))


def keep_small(log: Path, limit_bytes: int = LIMIT_BYTES) -> None:
    """Copy a log that has grown too big, and empty it.

    The file stays the same one, because its writer has it open for appending; lines written during the copy may be
    lost.
    """
    try:
        if log.stat().st_size <= limit_bytes:
            return
        shutil.copyfile(log, previous(log))
        with log.open("r+b") as file:
            file.truncate(0)
    except FileNotFoundError:
        return
