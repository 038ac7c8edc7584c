"""CPU and memory of process trees, and of commands that end."""

from __future__ import annotations

import os
import resource
import subprocess
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

SAMPLE_S, RUN_SAMPLE_S = 0.5, 0.1


def tree(pids: Iterable[int]) -> list[psutil.Process]:
    """These processes that still live, and all that they have started."""
    found: dict[int, psutil.Process] = {}
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            root = psutil.Process(pid)
            found |= {process.pid: process for process in [root, *root.children(recursive=True)]}
    return list(found.values())


def cpu_s(pids: Iterable[int]) -> float:
    """Seconds of CPU that these trees have used so far, children that have ended included."""
    total = 0.0
    for process in tree(pids):
        with suppress(psutil.NoSuchProcess):
            used = process.cpu_times()
            total += used.user + used.system + used.children_user + used.children_system
    return total


def pss_bytes(pids: Iterable[int]) -> int:
    """Memory of these trees; pages that several processes share are counted once."""
    return sum(_pss(process.pid) for process in tree(pids))


def _pss(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        with suppress(psutil.Error):
            return int(psutil.Process(pid).memory_info().rss)  # not Linux, or it has just ended
    return 0


class Meter:
    """CPU since it was made, and peak memory, of named groups of process trees. A context: it samples meanwhile."""

    def __init__(self, groups: Mapping[str, Sequence[int]]) -> None:
        self._groups = groups
        self._before = {name: cpu_s(pids) for name, pids in groups.items()}
        self.peak_bytes = dict.fromkeys(groups, 0)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Meter:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def cpu_s(self, name: str) -> float:
        """Seconds of CPU of a group since this meter was made."""
        return cpu_s(self._groups[name]) - self._before[name]

    def _sample(self) -> None:
        while True:
            for name, pids in self._groups.items():
                self.peak_bytes[name] = max(self.peak_bytes[name], pss_bytes(pids))
            if self._stop.wait(SAMPLE_S):
                return


@dataclass(frozen=True, slots=True)
class Ran:
    """A command that has ended. `peak_bytes` is sampled: the kernel's own maximum begins with that of its parent."""

    seconds: float
    cpu_s: float
    peak_bytes: int
    output: str


class CommandFailed(Exception):
    """A command of a measurement did not end well; the text holds its last words."""


def run(command: Sequence[str], environ: Mapping[str, str], log: Path, timeout_s: float) -> Ran:
    """Run a command to its end and say what it took, its children included.

    Raises:
        CommandFailed: it ended with another code than 0, or not in time.
    """
    began = time.monotonic()
    with log.open("wb") as out:
        process = subprocess.Popen(command, env=dict(environ), stdout=out, stderr=subprocess.STDOUT)
    status, used, peak = _waited(process, began + timeout_s)
    process.returncode = os.waitstatus_to_exitcode(status)
    output = log.read_text(errors="replace")
    if time.monotonic() - began > timeout_s:
        raise CommandFailed(f"{command[0]} did not end within {timeout_s:g} s")
    if process.returncode != 0:
        raise CommandFailed(f"{' '.join(command[:4])} ended with {process.returncode}: {output.strip()[-500:]}")
    return Ran(time.monotonic() - began, used.ru_utime + used.ru_stime, peak, output)


def _waited(process: subprocess.Popen[bytes], until: float) -> tuple[int, resource.struct_rusage, int]:
    """Wait for the end of a process, which is killed with its children when it is late; also its peak memory."""
    peak, sample_at = 0, time.monotonic() + RUN_SAMPLE_S
    while True:
        pid, status, used = os.wait4(process.pid, os.WNOHANG)
        if pid:
            return status, used, peak
        if time.monotonic() > until:
            for one in tree([process.pid]):
                with suppress(psutil.Error):
                    one.kill()
        if time.monotonic() > sample_at:
            peak, sample_at = max(peak, pss_bytes([process.pid])), time.monotonic() + RUN_SAMPLE_S
        time.sleep(0.005)


def host_cpu_s() -> tuple[float, float]:
    """Seconds of CPU this machine has had since boot, and those that its host gave to others meanwhile."""
    times = psutil.cpu_times()
    return float(sum(times)), float(getattr(times, "steal", 0.0))
