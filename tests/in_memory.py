"""A directory in memory for the files of a test run's servers.

A server makes and removes thousands of small files for the tests: for each database, each TRUNCATE and each bucket.
On a disk that is a fifth of the CPU of the tests that use a database, and two fifths of their time.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

MEMORY = Path("/dev/shm")
_NAME = "reelq-tests-"
_LOCK = "lock"
FREE_BYTES = 6 * 2**30
"""How much memory must be free, there and in the machine. The servers of six test processes take one GiB, and never
more than four: each PostgreSQL keeps half a GiB of its log."""


@contextmanager
def quick_directory(on_disk: Path, memory: Path = MEMORY, free_bytes: int = FREE_BYTES) -> Iterator[Path]:
    """A directory that is gone at the end, but for its logs, which are copied to `on_disk`. Where memory is scarce or
    has no file system, it is `on_disk` itself."""
    if not _has_room(memory, free_bytes):
        yield on_disk
        return
    _remove_abandoned(memory)
    directory = Path(tempfile.mkdtemp(prefix=_NAME, dir=memory))
    with (directory / "new").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        (directory / "new").rename(directory / _LOCK)
        try:
            yield directory
        finally:
            for log in directory.rglob("*.log"):
                kept = on_disk / log.relative_to(directory)
                kept.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(log, kept)
            shutil.rmtree(directory, ignore_errors=True)


def _has_room(memory: Path, free_bytes: int) -> bool:
    return (
        os.access(memory, os.W_OK)
        and shutil.disk_usage(memory).free >= free_bytes
        and psutil.virtual_memory().available >= free_bytes
    )


def _remove_abandoned(memory: Path) -> None:
    """Remove what killed test processes have left: no process holds its lock."""
    for lock in memory.glob(f"{_NAME}*/{_LOCK}"):
        with suppress(OSError), lock.open() as held:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(lock.parent, ignore_errors=True)
