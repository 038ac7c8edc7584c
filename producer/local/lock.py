"""One `reelq up` per data directory."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from producer.local.errors import StackError


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Lock the data directory; create it when it is missing. The kernel releases the lock when this process ends.

    Raises:
        StackError: another process holds the lock, or the directory cannot be written.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as exc:
        reason = exc.strerror or str(exc)
        raise StackError(
            f"the data directory {directory} cannot be written ({reason}); use another --data-dir"
        ) from exc
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            holder = os.pread(descriptor, 20, 0).decode(errors="replace").strip()
            by = f" (process {holder})" if holder else ""
            raise StackError(
                f"the data directory {directory} is in use by another `reelq up`{by}; "
                "stop it, or use another --data-dir"
            ) from exc
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)
