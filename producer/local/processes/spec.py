"""What a child process is: everything needed to start it, to see that it works, and to stop it."""

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
    """One child process, not yet started."""

    name: str
    command: tuple[str, ...]
    """The program (an absolute path) and its arguments."""
    cwd: Path
    log: Path
    """Standard output and error, appended."""
    env: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    """The whole environment."""
    ready: Callable[[int], bool] = _always
    """Given the process id: does it do its work? May block for half a second."""
    stop_signal: signal.Signals = signal.SIGTERM
    stop_timeout_s: float = 5.0
    """How long it may take to stop before it is killed."""
    death_signal: signal.Signals = signal.SIGKILL
    """What the kernel sends it when the parent dies (Linux)."""
    identity: str = "same"
    """As whom it runs; see `producer.local.processes.launch`."""

    def launch_command(self) -> list[str]:
        """The command by which this process starts the child as its own."""
        launcher = [sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid()), str(int(self.death_signal))]
        return [*launcher, self.identity, *self.command]
