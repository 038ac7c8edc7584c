"""The log files of the children: limit their size and keep those of the last run."""

from __future__ import annotations

import shutil
from pathlib import Path

LIMIT_BYTES = 20 * 2**20


def previous(log: Path) -> Path:
    """The path of the old log, after the log was full or the stack was restarted."""
    return log.with_name(f"{log.name}.1")


def begin(log: Path) -> None:
    """Rename the log of the last run."""
    if log.exists():
        log.replace(previous(log))


def trim(log: Path, limit_bytes: int = LIMIT_BYTES) -> None:
    """Copy a log that exceeds the limit to `previous`, and empty it.

    The log is truncated, not replaced, because its writer has it open for appending. Lines that are written during the
    copy may be lost.
    """
    try:
        if log.stat().st_size <= limit_bytes:
            return
        shutil.copyfile(log, previous(log))
        with log.open("r+b") as file:
            file.truncate(0)
    except FileNotFoundError:
        return
