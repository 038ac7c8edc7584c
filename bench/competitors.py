"""The contenders' own environment, made when it is first needed, and how each of them is started."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
VENV = ROOT / ".venv-bench"
LOCK = ROOT / "bench" / "contenders" / "requirements.lock"
INSTALL_S = 600.0


class NoContenders(Exception):
    """The contenders' environment cannot be made; the text says why."""


@dataclass(frozen=True, slots=True)
class Competitor:
    """One contender: the module in `bench.contenders`, how its workers and its enqueueing are started."""

    name: str
    label: str
    module: str
    worker: tuple[str, ...]
    """Its worker's command, after the directory of the environment's programs; empty: the enqueuer does it all."""
    ready: str = ""
    """What the worker's log says once it works."""
    prepare: bool = False
    """Whether its step `prepare` makes its tables."""
    extension: str = ""
    """Of PostgreSQL, that it wants to exist and uses nothing of."""
    jobs: int = 2000
    environ: dict[str, str] = field(default_factory=dict)
    after_kill: dict[str, int] = field(default_factory=dict)
    """Its options in the run in which everything is killed: how soon it takes up what dead workers held."""
    counts: bool = True
    """Whether the targets compare with it; not so for the floor, and for what no manual shows."""

    def worker_command(self) -> list[str]:
        """The whole command of its worker."""
        program, *arguments = self.worker
        return [str(VENV / "bin" / program), *arguments]

    def step_command(self, *step: str) -> list[str]:
        """Run a step of its module, such as `enqueue 100`."""
        return [str(VENV / "bin" / "python"), "-m", "bench.contenders", self.module, *step]


# Threads: measured, the tasks wait for the network, and prefork with 4 or 8 processes is slower and costs more.
_CELERY = (
    *("celery", "-A", "bench.contenders.celery_polls", "worker", "-P", "threads", "-c", "16"),
    *("--without-gossip", "--without-mingle", "-l", "INFO"),
)
_TASKIQ = ("taskiq", "worker", "bench.contenders.taskiq_job:broker", "--max-async-tasks", "500", "--workers", "2")
COMPETITORS = (
    Competitor("bare", "bare asyncio (nothing kept)", "bare_asyncio", (), counts=False),
    Competitor(
        *("celery", "Celery, countdown polls", "celery_polls", _CELERY),
        ready=" ready.",
        jobs=1000,
        after_kill={"visibility_timeout": 30, "unacked_restore_throttle": 1},
    ),
    Competitor(
        *("dramatiq", "dramatiq, delayed polls", "dramatiq_polls"),
        ("dramatiq", "bench.contenders.dramatiq_polls", "-p", "2", "-t", "8"),
        ready="Worker process is ready",
        after_kill={"heartbeat_timeout": 15_000, "maintenance_chance": 100_000},
    ),
    Competitor(
        *("taskiq", "taskiq, a task a job", "taskiq_job", _TASKIQ),
        ready="Listening started",
        after_kill={"idle_timeout": 30_000},
    ),
    Competitor(
        *("taskiq-tuned", "  the same, PUT by hand", "taskiq_job", _TASKIQ),
        ready="Listening started",
        environ={"BENCH_UPLOAD": "by-hand"},
        jobs=1000,
        counts=False,
    ),
    Competitor(
        *("procrastinate", "procrastinate", "procrastinate_polls"),
        ("python", "-m", "bench.contenders", "procrastinate_polls", "work"),
        ready="working",
        prepare=True,
        jobs=300,
    ),
    Competitor(
        *("dbos", "DBOS Transact", "dbos_workflow"),
        ("python", "-m", "bench.contenders", "dbos_workflow", "work"),
        ready="working",
        extension="uuid-ossp",  # not part of the wheel
        jobs=150,
    ),
)


def ensure_environment() -> None:
    """Make `.venv-bench` from the lock file, unless it is there already.

    Raises:
        NoContenders: it cannot be made.
    """
    stamp = VENV / ".installed"
    wanted = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    print(f"installing the contenders into {VENV.name} (once)", file=sys.stderr, flush=True)
    uv, python = shutil.which("uv"), str(VENV / "bin" / "python")
    if uv is not None:
        commands = [
            [uv, "venv", "-q", "--allow-existing", "--python", sys.executable, str(VENV)],
            [uv, "pip", "sync", "-q", "--compile-bytecode", "--python", python, "--require-hashes", str(LOCK)],
        ]
    else:
        pip = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--require-hashes"]
        commands = [[sys.executable, "-m", "venv", str(VENV)], [*pip, "-r", str(LOCK)]]
    for command in commands:
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_S, check=False)
        except subprocess.TimeoutExpired as exc:
            raise NoContenders(f"{command[0]} did not end within {INSTALL_S:g} s") from exc
        if done.returncode != 0:
            raise NoContenders(f"{' '.join(command[:3])} failed: {done.stderr.strip()[-500:]}")
    stamp.write_text(wanted)
