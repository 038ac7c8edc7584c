"""The specification of a child process: how to start it, check that it is ready, and stop it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

LAUNCHER = Path(__file__).with_name("launch.py")


def _always(_pid: int) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """The specification of one child process."""

    name: str
    command: tuple[str, ...]
    """The program (an absolute path) and its arguments."""
    cwd: Path
    log: Path
    """Standard output and error, appended."""
    env: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    """The whole environment."""
    ready: Callable[[int], bool] = _always
    """Whether the process with this id is ready. May block for half a second."""
    stop_signal: signal.Signals = signal.SIGTERM
    stop_timeout_s: float = 5.0
    """Time limit for the stop; after it the process is killed."""
    death_signal: signal.Signals = signal.SIGKILL
    """The signal that the kernel sends it when the parent dies (Linux)."""
    identity: str = "same"
    """The user it runs as; see `producer.local.processes.launch`."""

    def launch_command(self) -> list[str]:
        """The command that starts the program as a child of this process."""
        launcher = [sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid()), str(int(self.death_signal))]
        return [*launcher, self.identity, *self.command]
