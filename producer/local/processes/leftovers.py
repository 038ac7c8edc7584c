"""Processes that an earlier stack in the same directory left, because its supervisor was killed."""

from __future__ import annotations

from collections.abc import Mapping

import psutil

GRACE_S = 5.0
_SAME_S = 0.05


def started_at(pid: int) -> float | None:
    """When a process started, in seconds since the epoch; None when it does not exist."""
    try:
        return psutil.Process(pid).create_time()
    except psutil.Error:
        return None


def end(children: Mapping[str, tuple[int, float]], grace_s: float = GRACE_S) -> list[str]:
    """Wait until these processes have exited, then kill the others; returns the names of the killed.

    The kernel signalled them when their supervisor died, so usually this only waits for a database to shut down. A
    process is one of them only if it has the recorded start time, because process ids are reused.
    """
    alive = {}
    for name, (pid, at) in children.items():
        found = started_at(pid)
        if found is not None and abs(found - at) < _SAME_S:
            alive[psutil.Process(pid)] = name
    _, stubborn = psutil.wait_procs(list(alive), timeout=grace_s)
    for process in stubborn:
        process.kill()
    psutil.wait_procs(stubborn, timeout=grace_s)
    return [alive[process] for process in stubborn]
