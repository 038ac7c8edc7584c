"""The three servers of one data directory, and a context manager that runs them without a supervisor."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from producer.local.errors import StackError
from producer.local.private_file import private_directory
from producer.local.processes.spec import ChildSpec
from producer.local.servers.postgres import Postgres
from producer.local.servers.s3 import S3
from producer.local.servers.valkey import Valkey
from producer.local.state import LocalState

START_TIMEOUT_S = 120.0
"""Time limit for a server's start: short on an idle machine, longer on a loaded one or after a crash."""
POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class Servers:
    """The servers of a data directory; None for a server that is configured elsewhere."""

    postgres: Postgres | None
    valkey: Valkey | None
    s3: S3 | None

    def prepare(self, *buckets: str) -> None:
        """Create their files, all servers in parallel, and the buckets of the store.

        Raises:
            StackError: a wheel is missing, or a directory cannot be used.
        """
        with ThreadPoolExecutor(3) as pool:
            futures = [pool.submit(server.prepare) for server in (self.postgres, self.valkey) if server is not None]
            if self.s3 is not None:
                futures.append(pool.submit(self.s3.prepare, *buckets))
            for future in futures:
                future.result()

    def specs(self) -> list[ChildSpec]:
        """Their processes in start order; stop them in reverse."""
        return [server.spec() for server in (self.postgres, self.valkey, self.s3) if server is not None]


def local_servers(
    directory: Path,
    state: LocalState,
    *,
    postgres: bool = True,
    valkey: bool = True,
    s3: bool = True,
    durable: bool = True,
) -> Servers:
    """The servers of a data directory, with the ports and passwords of its state; new ones for a new directory."""
    logs = private_directory(directory / "logs")

    def own(name: str) -> Path:
        return private_directory(directory / name)

    found = Servers(
        Postgres(own("postgres"), state.port("postgres"), state.secret("postgres"), logs / "postgres.log", durable)
        if postgres
        else None,
        Valkey(own("valkey"), state.port("valkey"), state.secret("valkey"), logs / "valkey.log") if valkey else None,
        S3(
            own("s3"),
            state.port("s3"),
            state.secret("s3_access_key_id", 8),
            state.secret("s3_secret_access_key"),
            logs / "s3.log",
        )
        if s3
        else None,
    )
    state.save()
    return found


_REASON = "reelq: "
"""How the line begins with which a scheduler or worker says why it ends."""


def last_log_line(log: Path) -> str:
    """The last error in the end of a log file, else its last line; at most 300 characters. The reason of a
    scheduler or worker to end is an error, whatever its words: earlier processes wrote into the same file."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return "its log is empty"
    written = [line.strip() for line in lines if line.strip()]
    errors = [line for line in written[-20:] if "FATAL" in line or "rror" in line or line.startswith(_REASON)]
    return (errors or written or ["its log is empty"])[-1][:300]


def wait_ready(spec: ChildSpec, process: subprocess.Popen[bytes], timeout_s: float = START_TIMEOUT_S) -> None:
    """Wait until a started child is ready.

    Raises:
        StackError: it exited, or it was not ready within `timeout_s`.
    """
    until = time.monotonic() + timeout_s
    while not spec.ready(process.pid):
        if process.poll() is not None:
            raise StackError(
                f"{spec.name} exited with {process.returncode}: {last_log_line(spec.log)} (see {spec.log})"
            )
        if time.monotonic() > until:
            raise StackError(f"{spec.name} was not ready within {timeout_s:g} s (see {spec.log})")
        time.sleep(POLL_S)


def spawn_options(spec: ChildSpec, log: BinaryIO) -> dict[str, Any]:
    """The options of `subprocess.Popen` for a child."""
    return {
        "cwd": spec.cwd,
        "env": dict(spec.env),
        "stdin": subprocess.DEVNULL,
        "stdout": log,
        "stderr": subprocess.STDOUT,
        # A new session: Ctrl-C in the terminal then reaches only the parent, which stops its children in order.
        "start_new_session": True,
    }


def spawn(spec: ChildSpec) -> subprocess.Popen[bytes]:
    """Start a child that cannot outlive the calling thread."""
    with spec.log.open("ab") as log:
        return subprocess.Popen(spec.launch_command(), **spawn_options(spec, log))


def stop(spec: ChildSpec, process: subprocess.Popen[bytes]) -> None:
    """Stop a child with its stop signal; kill it after its time limit."""
    if process.poll() is not None:
        return
    process.send_signal(spec.stop_signal)
    try:
        process.wait(spec.stop_timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(10)


@contextmanager
def running(specs: Sequence[ChildSpec]) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """Start these children, wait until they are ready, and stop them at the end in reverse order.

    They die with the calling thread. For programs that need servers for a while, such as tests and benchmarks.

    Raises:
        StackError: a child does not start.
    """
    with ExitStack() as stack:
        processes = {}
        for spec in specs:
            processes[spec.name] = spawn(spec)
            stack.callback(stop, spec, processes[spec.name])
        for spec in specs:
            wait_ready(spec, processes[spec.name])
        yield processes
