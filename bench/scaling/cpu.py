"""CPU time of processes, and how fast this machine is at the moment."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Self

import psutil

_TEXT = json.dumps({"prompt": "a lighthouse at dusk", "numbers": list(range(200))})
_BYTES = bytes(64 * 1024)


def tree_cpu_s(pid: int) -> float:
    """CPU seconds of a process and all below it, children that have ended included."""
    try:
        root = psutil.Process(pid)
        processes = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0.0
    total = 0.0
    for process in processes:
        try:
            # The scheduler's own count is in nanoseconds, the other one in hundredths of a second.
            threads = Path(f"/proc/{process.pid}/task").iterdir()
            total += sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9
            times = process.cpu_times()
            total += times.children_user + times.children_system
        except (OSError, psutil.NoSuchProcess):
            continue
    return total


def pace_ms(rounds: int = 5) -> float:
    """CPU milliseconds of a fixed piece of work, much like ours: parsing, hashing, a loop in Python."""
    took = []
    for _ in range(rounds):
        began_s = time.thread_time()
        for _ in range(20):
            json.loads(_TEXT)
            hashlib.sha256(_BYTES).digest()
            sum(n * n for n in range(2000))
        took.append((time.thread_time() - began_s) * 1000)
    return median(took)


class PaceWatch:
    """Looks at the machine's pace every second while a block runs."""

    def __init__(self) -> None:
        self._seen: list[float] = [pace_ms()]
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="pace", daemon=True)

    def _watch(self) -> None:
        while not self._done.wait(1.0):
            self._seen.append(pace_ms(1))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    @property
    def ms(self) -> float:
        """The mean of what was seen."""
        return sum(self._seen) / len(self._seen)
