"""PostgreSQL on this machine: a data directory, a password, and one process in the foreground."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from producer.local.errors import StackError
from producer.local.ports import HOST
from producer.local.private_file import write_private
from producer.local.processes.spec import ChildSpec
from producer.local.servers import identity, wheels

DATABASE = "reelq"
USER = "reelq"

# For two cores that all processes share: few background workers, no parallel plans. Vacuum early, because every
# transition of a job leaves a dead row.
_SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "512MB",
    "max_worker_processes": "4",
    "max_parallel_workers_per_gather": "0",
    "io_method": "sync",
    "jit": "off",
    "autovacuum_naptime": "15s",
    "autovacuum_vacuum_scale_factor": "0.02",
    "autovacuum_analyze_scale_factor": "0.02",
    "tcp_keepalives_idle": "30",
    "log_checkpoints": "off",
    "log_timezone": "UTC",
}
_NOT_DURABLE = {"fsync": "off", "full_page_writes": "off"}


@dataclass(frozen=True, slots=True)
class Postgres:
    """A PostgreSQL server whose files are below `directory`."""

    directory: Path
    port: int
    password: str
    log: Path
    durable: bool = True
    """False: faster, but data is lost when the machine crashes (not when the server is killed). For tests."""

    @property
    def data(self) -> Path:
        return self.directory / "data"

    @property
    def url(self) -> str:
        """The URL of the database."""
        return f"postgresql://{USER}:{self.password}@{HOST}:{self.port}/{DATABASE}"

    def prepare(self) -> None:
        """Create the database if there is none; takes about half a second.

        Raises:
            StackError: the wheel is missing, or the directory cannot be used.
        """
        programs = wheels.postgres_bin()
        who = identity.for_server(programs / "postgres")
        if (self.data / "PG_VERSION").is_file():
            self._check_version(programs)
            identity.change_owner(self.data, who)
            return
        partial = self.directory / "data.new"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(mode=0o700)
        identity.change_owner(partial, who)
        password_file = self.directory / "password"
        write_private(password_file, self.password + "\n")
        self._run(
            who,
            "initdb",
            f"--pgdata={partial}",
            f"--username={USER}",
            f"--pwfile={password_file}",
            "--auth=scram-sha-256",
            # The password is random and long, so more iterations would only slow down connections.
            "--set=scram_iterations=64",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
            "--no-instructions",
        )
        self._run(who, "postgres", "--single", "-D", str(partial), "postgres", text=f"CREATE DATABASE {DATABASE};\n")
        password_file.unlink()
        # Only a complete database gets this name; after an interruption it is created again.
        partial.rename(self.data)

    def _run(self, who: str, program: str, *arguments: str, text: str = "") -> None:
        path = wheels.postgres_bin() / program
        spec = ChildSpec(program, (str(path), *arguments), self.directory, self.log, identity=who)
        try:
            done = subprocess.run(
                spec.launch_command(),
                cwd=self.directory,
                env=_environment(),
                input=text,
                capture_output=True,
                text=True,
                timeout=identity.PROGRAM_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired as exc:
            raise StackError(
                f"PostgreSQL: {program} did not finish within {identity.PROGRAM_TIMEOUT_S:g} s in {self.directory}"
            ) from exc
        if done.returncode != 0:
            lines = [line for line in done.stderr.splitlines() if line.strip()]
            output = next((line for line in lines if "error:" in line or "FATAL" in line), lines[-1] if lines else "")
            raise StackError(f"PostgreSQL: {program} failed in {self.directory}: {output or f'exit {done.returncode}'}")

    def _check_version(self, programs: Path) -> None:
        created_by = (self.data / "PG_VERSION").read_text().strip()
        command = [str(programs / "postgres"), "--version"]
        try:
            output = subprocess.run(
                command, capture_output=True, text=True, timeout=identity.PROGRAM_TIMEOUT_S, check=True
            ).stdout
        except (OSError, subprocess.SubprocessError) as exc:
            raise StackError(f"PostgreSQL cannot be run: {exc}") from exc
        version = output.split()[-1]
        if version.split(".")[0] != created_by:
            raise StackError(
                f"{self.data} was created by PostgreSQL {created_by}, but {version} is installed; "
                "dump it with the old version, or use another --data-dir"
            )

    def spec(self) -> ChildSpec:
        """The server process."""
        settings = _SETTINGS | {"port": str(self.port)} | ({} if self.durable else _NOT_DURABLE)
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        program = wheels.postgres_bin() / "postgres"
        return ChildSpec(
            "postgres",
            (str(program), "-D", str(self.data), *options),
            cwd=self.directory,
            log=self.log,
            env=_environment(),
            ready=self._is_ready,
            stop_signal=signal.SIGINT,  # a fast shutdown: it disconnects clients, and the next start needs no recovery
            stop_timeout_s=20.0,
            death_signal=identity.DEATH_SIGNAL,
            identity=identity.for_server(program),
        )

    def _is_ready(self, pid: int) -> bool:
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        # The first line is the process id, the eighth the state. The file of a killed server has another process id.
        return len(lines) >= 8 and lines[0].strip() == str(pid) and lines[7].strip() == "ready"


def _environment() -> dict[str, str]:
    """The environment without variables that affect PostgreSQL's start (PGDATA, PGPORT, TZ and others)."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PG") and name != "TZ"}
    return inherited | {"LC_ALL": "C"}
