"""Start `python -m worker` as a fork of a process that has its libraries: to import them takes 0.6 s of CPU each time.

The source is one process. It imports what the worker uses, but nothing of the worker itself, opens nothing and starts
no thread. A fork gets an environment, a directory, a log and arguments of its own; then it imports the worker and runs
it as `python -m` does. It dies with the source, and the source dies with the test.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import runpy
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from producer.local.processes.spec import ChildSpec

MODULE = "worker"
# What a running worker and a running scheduler have imported; what Celery and boto3 import late is named here.
USED = (
    *("worker.__main__", "worker.tasks", "worker.logs", "worker.lifecycle", "worker.scheduling.scheduler"),
    *("celery.apps.worker", "celery.apps.beat", "celery.concurrency.thread", "kombu.transport.redis"),
    *("celery.worker.components", "celery.worker.control", "celery.worker.loops", "celery.worker.consumer.consumer"),
    *("celery.worker.consumer.mingle", "celery.events.receiver", "celery.app.routes", "encodings.idna"),
    *("boto3.session", "boto3.s3.transfer", "botocore.handlers", "botocore.docs.docstring"),
)
_PR_SET_PDEATHSIG = 1
_UNKNOWN = -1


class Forked(subprocess.Popen[bytes]):
    """A process that the source has forked, with the methods of a process of our own. Its exit code is lost."""

    _child_created = False  # it is no child of this process

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.args = MODULE
        self.returncode = None
        try:
            self._handle = os.pidfd_open(pid)
        except ProcessLookupError:
            self.returncode = _UNKNOWN

    def poll(self) -> int | None:
        return self._exited(0.0)

    def wait(self, timeout: float | None = None) -> int:
        if (code := self._exited(timeout)) is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
        return code

    def send_signal(self, sig: int) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._handle, sig)

    def _exited(self, timeout_s: float | None) -> int | None:
        if self.returncode is None and select.select([self._handle], [], [], timeout_s)[0]:
            os.close(self._handle)
            self.returncode = _UNKNOWN
        return self.returncode


class Source:
    """The process that forks."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def start(self, spec: ChildSpec, arguments: Sequence[str]) -> Forked:
        """Start a worker with the environment, the directory and the log of this specification."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        order = {"cwd": str(spec.cwd), "log": str(spec.log), "env": dict(spec.env), "arguments": [*arguments]}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return Forked(int(self._process.stdout.readline()))


@contextmanager
def running_source(directory: Path) -> Iterator[Source]:
    """Run the source; its forks end with the context."""
    spec = ChildSpec(
        "source", (sys.executable, "-m", __name__), cwd=Path(__file__).parents[2], log=directory / "source.log"
    )
    with (
        spec.log.open("ab") as log,
        subprocess.Popen(
            spec.launch_command(),
            cwd=spec.cwd,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        ) as process,
    ):
        try:
            yield Source(process)
        finally:
            process.kill()


def main() -> None:
    """Be the source: read an order a line, answer with the number of the process."""
    gc.disable()  # what is imported is no garbage: to look through it takes a quarter of the imports
    for name in _libraries():
        with suppress(ImportError):
            importlib.import_module(name)
    gc.freeze()  # nor do the forks look through it, which would copy its memory
    gc.enable()
    signal.signal(signal.SIGCHLD, _reap)
    source = os.getpid()
    for line in sys.stdin:
        if (pid := os.fork()) == 0:
            _become(source, **json.loads(line))
            return
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


def _libraries() -> list[str]:
    """What the worker imports besides itself, as a process that then ends has found it."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        for name in USED:
            importlib.import_module(name)
        found = [name for name in sys.modules if name.partition(".")[0] not in (MODULE, "__main__")]
        with os.fdopen(writer, "w") as names:
            names.write("\n".join(found))
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as names:
        found = names.read().split()
    os.wait()
    assert found, "the worker cannot be imported"
    return found


def _reap(*_: object) -> None:
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _become(source: int, cwd: str, log: str, env: dict[str, str], arguments: list[str]) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != source:
        return
    os.setsid()
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    nothing, written = os.open(os.devnull, os.O_RDONLY), os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    for number, at in ((nothing, 0), (written, 1), (written, 2)):
        os.dup2(number, at)
    for number in (nothing, written):
        os.close(number)
    sys.argv = [MODULE, *arguments]
    runpy.run_module(MODULE, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
