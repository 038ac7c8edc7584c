"""The cores of the model and the processes that share them."""

from __future__ import annotations

import heapq
from dataclasses import dataclass

from producer.local.processes.commands import WORKER_SUBMIT_POLL, WORKER_TRANSFER
from storage.settings import Settings

_SETTINGS = Settings()


def _threads(command: tuple[str, ...]) -> int:
    return int(command[command.index("-c") + 1])


THREADS = {"work": _threads(WORKER_SUBMIT_POLL), "copies": _threads(WORKER_TRANSFER)}
"""Threads of a worker process, by the queue it consumes."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The number of processes, accounts and cores, and the settings. All accounts are alike."""

    accounts: int = 1
    max_in_flight: int = 10
    schedulers: int = 1
    submit_poll: int = 1
    transfer: int = 1
    database_cores: float = 4
    machine_cores: int | None = None
    """Cores that all processes share. None: each process has its own core."""
    connection_mib_s: float = 8.0
    """Download speed of one connection to a gateway's file server."""
    store_s: float = 0.1
    """Wait for the object store, per copy."""
    commit_s: float = 0.002
    """Wait of a commit for the database's disk."""
    poll_min_s: float = _SETTINGS.poll_min_seconds
    poll_max_s: float = _SETTINGS.poll_max_seconds
    lease_s: float = _SETTINGS.lease_seconds
    poll_lease_s: float = _SETTINGS.poll_lease_seconds
    query_timeout_s: float = _SETTINGS.query_timeout_seconds
    tick_s: float = _SETTINGS.tick_seconds


class Cores:
    """A number of cores that serve work in order of arrival."""

    def __init__(self, count: float = 1) -> None:
        # A fraction of a core is one slower core.
        self._speed = count if count < 1 else 1.0
        self._free = [0.0] * max(1, int(count))

    def book(self, at_s: float, seconds: float) -> float:
        """Book work that can start at `at_s`; returns the time when it is done."""
        done_s = max(at_s, self._free[0]) + seconds / self._speed
        heapq.heapreplace(self._free, done_s)
        return done_s

    @property
    def free_s(self) -> float:
        return self._free[0]


class Cpu:
    """One Python process: it uses one core at a time; on a shared machine it also waits for a free core."""

    def __init__(self, machine: Cores | None = None) -> None:
        self._own, self._machine = Cores(1), machine

    def book(self, at_s: float, seconds: float) -> float:
        """Like `Cores.book`."""
        if self._machine is None:
            return self._own.book(at_s, seconds)
        done_s = self._machine.book(max(at_s, self._own.free_s), seconds)
        self._own.book(done_s - seconds, seconds)
        return done_s
