"""The competitors: how each is started, and their Python environment, which is created on first use."""

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


class NoCompetitors(Exception):
    """The competitors' environment cannot be created; the text says why."""


@dataclass(frozen=True, slots=True)
class Competitor:
    """One competitor: its module in `bench.contenders` and how to start its worker."""

    name: str
    label: str
    module: str
    worker: tuple[str, ...]
    """The worker's command, relative to the environment's programs. Empty: the enqueueing command does all the work."""
    ready: str = ""
    """Text in the worker's log when the worker is ready."""
    prepare: bool = False
    """Whether its tables need the step `prepare`."""
    extension: str = ""
    """A PostgreSQL extension that it requires but does not use."""
    jobs: int = 2000
    environ: dict[str, str] = field(default_factory=dict)
    after_kill: dict[str, int] = field(default_factory=dict)
    """Options for the crash run: how soon it recovers the jobs of dead workers."""
    counts: bool = True
    """Whether targets compare with it. False for the floor and for a variant that no manual shows."""

    def worker_command(self) -> list[str]:
        """The full command of the worker."""
        program, *arguments = self.worker
        return [str(VENV / "bin" / program), *arguments]

    def step_command(self, *step: str) -> list[str]:
        """Run a step of its module, such as `enqueue 100`."""
        return [str(VENV / "bin" / "python"), "-m", "bench.contenders", self.module, *step]


# Threads, because the tasks wait for the network: prefork with 4 or 8 processes was slower and used more CPU.
_CELERY = (
    *("celery", "-A", "bench.contenders.celery_polls", "worker", "-P", "threads", "-c", "16"),
    *("--without-gossip", "--without-mingle", "-l", "INFO"),
)
_TASKIQ = ("taskiq", "worker", "bench.contenders.taskiq_job:broker", "--max-async-tasks", "500", "--workers", "2")
COMPETITORS = (
    Competitor("bare", "bare asyncio (nothing stored)", "bare_asyncio", (), counts=False),
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
        *("taskiq", "taskiq, one task per job", "taskiq_job", _TASKIQ),
        ready="Listening started",
        after_kill={"idle_timeout": 30_000},
    ),
    Competitor(
        *("taskiq-tuned", "  the same, hand-signed PUT", "taskiq_job", _TASKIQ),
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
        extension="uuid-ossp",  # the wheel of PostgreSQL does not contain it
        jobs=150,
    ),
)


def ensure_environment() -> None:
    """Create `.venv-bench` from the lock file unless it is up to date.

    Raises:
        NoCompetitors: it cannot be created.
    """
    stamp = VENV / ".installed"
    wanted = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    print(f"installing the competitors into {VENV.name} (once)", file=sys.stderr, flush=True)
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
            raise NoCompetitors(f"{command[0]} did not finish within {INSTALL_S:g} s") from exc
        if done.returncode != 0:
            raise NoCompetitors(f"{' '.join(command[:3])} failed: {done.stderr.strip()[-500:]}")
    stamp.write_text(wanted)
