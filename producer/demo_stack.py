"""The stack that the demonstration runs on: local servers and the simulator, whatever else is configured here."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from producer.local.errors import StackError
from producer.local.http import get
from producer.local.private_file import private_directory
from producer.local.servers import last_words, stop
from producer.local.spec import ChildSpec
from storage.settings import DEFAULT_DATA_DIR, STACK_FILE, read_stack

READY_S = 60.0
STOP_S = 30.0
_MARK = "demo.toml"
_MARK_TEXT = (
    "# Left empty on purpose: the demonstration uses no account, so the simulator generates and nothing costs money.\n"
)


def choose_directory(given: Path | None) -> Path:
    """Where the demonstration lives: what was given, `./.reelq` if it is new or an earlier demonstration's and nothing
    runs in it, else a temporary directory.

    Raises:
        StackError: a stack already runs in the given directory.
    """
    if given is not None:
        if (given / STACK_FILE).exists():
            raise StackError(f"a stack runs in {given} already; stop it, or give another --data-dir")
        return private_directory(given)
    usual = Path(DEFAULT_DATA_DIR)
    try:
        if not usual.exists() or ((usual / _MARK).exists() and not (usual / STACK_FILE).exists()):
            return private_directory(usual)
    except OSError:
        pass  # not writable here
    return Path(tempfile.mkdtemp(prefix="reelq-demo-"))


class DemoStack:
    """`reelq up` in a process of its own. With `keep` it outlives us; otherwise it stops when we end, however we do."""

    def __init__(self, directory: Path, *, keep: bool) -> None:
        self.directory = directory.absolute()
        mark = self.directory / _MARK
        mark.write_text(_MARK_TEXT)
        environ = {name: value for name, value in os.environ.items() if not name.startswith("REELQ_")}
        environ["REELQ_CONFIG"] = str(mark)
        self._spec = ChildSpec(
            "stack",
            (sys.executable, "-m", "producer.local", "--data-dir", str(self.directory)),
            self.directory,
            self.directory / "stack.log",
            env=environ,
            stop_timeout_s=STOP_S,
            death_signal=signal.SIGTERM,
        )
        self._spec.log.unlink(missing_ok=True)
        with self._spec.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._spec.command if keep else self._spec.launch_command(),
                cwd=self._spec.cwd,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process to send SIGTERM to."""
        return self._process.pid

    def wait_ready(self, tell: Callable[[str], None]) -> dict[str, Any]:
        """Wait until jobs can run; `tell` hears the newest line of what is going on. Gives what `stack.json` says.

        Raises:
            StackError: it ended, or is not ready after a minute.
        """
        until = time.monotonic() + READY_S
        while time.monotonic() < until:
            if self._process.poll() is not None:
                raise StackError(last_words(self._spec.log))
            stack = read_stack(self.directory)
            if stack and get(f"{stack['api']}/readyz", 5.0)[0] == 200:
                return stack
            tell(last_words(self._spec.log))
            time.sleep(0.1)
        raise StackError(
            f"the stack is not ready after {READY_S:.0f} s: {last_words(self._spec.log)}; see {self._spec.log}"
        )

    def stop(self) -> None:
        """Stop it in order."""
        stop(self._spec, self._process)
