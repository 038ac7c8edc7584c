"""CPU and memory of process trees and of single commands."""

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
    """The running processes among these, with all their descendants."""
    found: dict[int, psutil.Process] = {}
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            root = psutil.Process(pid)
            found |= {process.pid: process for process in [root, *root.children(recursive=True)]}
    return list(found.values())


def cpu_s(pids: Iterable[int]) -> float:
    """CPU seconds that these trees have used so far, ended children included."""
    total = 0.0
    for process in tree(pids):
        with suppress(psutil.NoSuchProcess):
            used = process.cpu_times()
            total += used.user + used.system + used.children_user + used.children_system
    return total


def pss_bytes(pids: Iterable[int]) -> int:
    """Memory of these trees in bytes; shared pages count once."""
    return sum(_pss(process.pid) for process in tree(pids))


def _pss(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        with suppress(psutil.Error):
            return int(psutil.Process(pid).memory_info().rss)  # not Linux, or the process has just ended
    return 0


class Meter:
    """CPU and peak memory of named groups of process trees. A context manager: it samples memory while it is open."""

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
        """CPU seconds of a group since the meter was created."""
        return cpu_s(self._groups[name]) - self._before[name]

    def _sample(self) -> None:
        while True:
            for name, pids in self._groups.items():
                self.peak_bytes[name] = max(self.peak_bytes[name], pss_bytes(pids))
            if self._stop.wait(SAMPLE_S):
                return


@dataclass(frozen=True, slots=True)
class RunResult:
    """A finished command. `peak_bytes` is sampled, because the kernel's maximum starts with that of the parent."""

    seconds: float
    cpu_s: float
    peak_bytes: int
    output: str


class CommandFailed(Exception):
    """A command of a measurement failed; the text has the end of its output."""


def run(command: Sequence[str], environ: Mapping[str, str], log: Path, timeout_s: float) -> RunResult:
    """Run a command to its end; the result includes its children.

    Raises:
        CommandFailed: its exit status is not 0, or it exceeded `timeout_s`.
    """
    began = time.monotonic()
    with log.open("wb") as out:
        process = subprocess.Popen(command, env=dict(environ), stdout=out, stderr=subprocess.STDOUT)
    status, used, peak = _wait(process, began + timeout_s)
    process.returncode = os.waitstatus_to_exitcode(status)
    output = log.read_text(errors="replace")
    if time.monotonic() - began > timeout_s:
        raise CommandFailed(f"{command[0]} did not finish within {timeout_s:g} s")
    if process.returncode != 0:
        raise CommandFailed(f"{' '.join(command[:4])} exited with {process.returncode}: {output.strip()[-500:]}")
    return RunResult(time.monotonic() - began, used.ru_utime + used.ru_stime, peak, output)


def _wait(process: subprocess.Popen[bytes], until: float) -> tuple[int, resource.struct_rusage, int]:
    """Wait for a process and sample its peak memory; after `until`, kill it with its children."""
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
    """CPU seconds of this machine since boot, and the CPU seconds its host gave to other machines in that time."""
    times = psutil.cpu_times()
    return float(sum(times)), float(getattr(times, "steal", 0.0))
