"""A stack in a separate process, for programs that need one for a while: the demo, tests, benchmarks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from producer.local.errors import StackError
from producer.local.http import get
from producer.local.private_file import private_directory
from producer.local.processes.spec import ChildSpec
from producer.local.servers.servers import last_log_line, spawn_options
from storage.settings import STACK_FILE

READY_TIMEOUT_S = 180.0
"""An idle machine needs five seconds, a loaded one many times as much."""
STOP_TIMEOUT_S = 90.0
_POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class BackgroundStack:
    """A stack that another process supervises."""

    directory: Path
    supervisor: subprocess.Popen[bytes]

    @property
    def log(self) -> Path:
        """The supervisor's log: one line per event."""
        return self.directory / "logs" / "up.log"

    def content(self) -> dict[str, Any]:
        """The current content of `stack.json`; empty when there is none."""
        try:
            found = json.loads((self.directory / STACK_FILE).read_text())
        except (FileNotFoundError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def is_ready(self) -> bool:
        """Whether jobs can run. A `stack.json` that a killed supervisor left does not count."""
        content = self.content()
        return content.get("supervisor") == self.supervisor.pid and get(f"{content['api']}/readyz", 5.0)[0] == 200

    def wait_ready(
        self, timeout_s: float = READY_TIMEOUT_S, report: Callable[[str], None] = lambda _line: None
    ) -> None:
        """Wait until jobs can run; `report` is called with the newest line of the log.

        Raises:
            StackError: it did not start; the text is the last line of its log.
        """
        until = time.monotonic() + timeout_s
        while not self.is_ready():
            if self.supervisor.poll() is not None:
                raise StackError(last_log_line(self.log))
            report(last_log_line(self.log))
            if time.monotonic() > until:
                raise StackError(f"the stack was not ready within {timeout_s:g} s (see {self.log.parent})")
            time.sleep(_POLL_S)

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> int:
        """Stop it in order; returns the supervisor's exit status."""
        if self.supervisor.poll() is None:
            self.supervisor.send_signal(signal.SIGTERM)
        try:
            return self.supervisor.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.supervisor.kill()
            return self.supervisor.wait(10)


def start(
    directory: Path,
    *,
    keep: bool = False,
    arguments: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> BackgroundStack:
    """Start a stack and return at once.

    It stops in order when the calling thread ends; with `keep` it continues. `arguments`: further arguments for
    `python -m producer.local`. `cwd`: the directory of `reelq.toml`; None: the current directory.

    Raises:
        StackError: the directory cannot be written.
    """
    directory = directory.absolute()
    try:
        logs = private_directory(directory / "logs")
        # -P: do not import a package of the same name from the current directory.
        command = (sys.executable, "-P", "-m", "producer.local", f"--data-dir={directory}", *arguments)
        spec = ChildSpec(
            "up",
            command,
            cwd or Path.cwd(),
            logs / "up.log",
            env=dict(os.environ if environ is None else environ),
            death_signal=signal.SIGTERM,
        )
        with spec.log.open("wb") as log:
            launch = list(command) if keep else spec.launch_command()
            return BackgroundStack(directory, subprocess.Popen(launch, **spawn_options(spec, log)))
    except OSError as exc:
        raise StackError(
            f"the data directory {directory} cannot be written ({exc.strerror or exc}); use another --data-dir"
        ) from exc


@contextmanager
def running_stack(
    directory: Path,
    *,
    arguments: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout_s: float = READY_TIMEOUT_S,
) -> Iterator[BackgroundStack]:
    """Run a stack; yields it when it is ready and stops it at the end.

    Raises:
        StackError: it does not start.
    """
    stack = start(directory, arguments=arguments, environ=environ, cwd=cwd)
    try:
        stack.wait_ready(timeout_s)
        yield stack
    finally:
        stack.stop()
