"""The CPU time of processes and the current speed of this machine."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

DECODER = "poster_process.py"
_TEXT = json.dumps(
    [{"id": f"{n:032x}", "prompt": "a lighthouse at dusk", "state": "queued", "at": n / 7} for n in range(2500)]
)
_BYTES = bytes(256 * 1024)


def tree_cpu_s(pid: int) -> float:
    """CPU seconds of a process and its descendants, ended children included."""
    try:
        root = psutil.Process(pid)
        processes = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0.0
    total = 0.0
    for process in processes:
        try:
            # The kernel scheduler counts in nanoseconds, `cpu_times` in hundredths of a second.
            threads = Path(f"/proc/{process.pid}/task").iterdir()
            total += sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9
            times = process.cpu_times()
            total += times.children_user + times.children_system
        except (OSError, psutil.NoSuchProcess):
            continue
    return total


def decoder_cpu_s(pid: int) -> float:
    """CPU seconds of the decoder of posters among the children of a process; 0 if it is not running."""
    children = psutil.Process(pid).children(recursive=True)
    return sum(tree_cpu_s(child.pid) for child in children if DECODER in " ".join(child.cmdline()))


def pace_ms() -> float:
    """CPU milliseconds of a fixed piece of work that resembles a worker's: it creates and reads more objects than the
    fast caches hold, as a process does when a message wakes it."""
    began_s = time.thread_time()
    rows = json.loads(_TEXT)
    by_id = {row["id"]: row for row in rows}
    sum(len(by_id[row["id"]]["prompt"]) for row in reversed(rows))
    hashlib.sha256(_BYTES).digest()
    return (time.thread_time() - began_s) * 1000


class PaceWatch:
    """Measures the machine's pace several times per second while a block runs, in a process of its own: threads of the
    measured process would take its interpreter's lock and the caches from each other."""

    def __init__(self) -> None:
        self._samples: list[float] = []
        self._child: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self._child = subprocess.Popen([sys.executable, "-m", "bench.scaling.cpu"], stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._child is not None
        self._child.terminate()
        said, _ = self._child.communicate()
        self._samples = [float(line) for line in said.splitlines(keepends=True) if line.endswith("\n")]

    @property
    def ms(self) -> float:
        """The mean pace in milliseconds."""
        return sum(self._samples) / len(self._samples) if self._samples else pace_ms()


def _watch() -> None:
    while True:
        time.sleep(0.3)
        print(pace_ms(), flush=True)


if __name__ == "__main__":
    _watch()
