"""Boot a machine with systemd, run commands on it, and take it away."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.waiting import wait_for

BOOT = Path(__file__).parent / "boot.sh"
SYSTEMD = Path("/lib/systemd/systemd")
CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Machine:
    """It has its own processes, mounts, host name and cgroups, and shares the network. Its files begin as this
    machine's."""

    layers: Path
    init: int
    """The process id of its systemd, as this machine counts."""

    def run(self, *argv: str | Path, given: str = "", timeout_s: float = 120) -> str:
        """The output of a command as root; it must succeed."""
        done = self.try_to(*argv, given=given, timeout_s=timeout_s)
        if done.returncode != 0:
            journal = self.try_to("journalctl", "--no-pager", "--boot", "--lines=60").stdout
            raise AssertionError(f"{argv}: {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-3000:]}{journal}")
        return done.stdout

    def try_to(self, *argv: str | Path, given: str = "", timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
        """A command as root, whatever becomes of it."""
        inside = ["nsenter", "-t", str(self.init), "-m", "-p", "-u", "-i", "-C", "-r", "-w", *map(str, argv)]
        environ = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
        return subprocess.run(
            inside, input=given, capture_output=True, text=True, timeout=timeout_s, check=False, env=environ
        )

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """A file of the machine alone."""
        self.run("install", "-D", f"--mode={mode:o}", "/dev/stdin", path, given=text)

    def show(self, unit: str, *names: str) -> dict[str, str]:
        """Properties of a unit."""
        lines = self.run("systemctl", "show", unit, *(f"--property={name}" for name in names)).splitlines()
        return dict(line.split("=", 1) for line in lines)


@contextmanager
def booted(layers: Path) -> Iterator[Machine]:
    """A machine that has started; `layers` is an empty folder, which stays empty on this machine."""
    group = (CGROUPS if (CGROUPS / "cgroup.controllers").exists() else CGROUPS / "systemd") / f"reelq-{os.getpid()}"
    group.mkdir()
    own = "--pid --mount --uts --ipc --cgroup --fork --kill-child"
    script = f'echo $$ > "{group}/cgroup.procs" && exec unshare {own} "{BOOT}" "{layers}"'
    with (layers.parent / f"{layers.name}.log").open("wb") as log:
        process = subprocess.Popen(["sh", "-c", script], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        init = int(wait_for("the first process", children.read_text).split()[0])
        machine = Machine(layers, init)
        states = ("running", "degraded")
        wait_for("systemd", lambda: machine.try_to("systemctl", "is-system-running").stdout.strip() in states)
        yield machine
    finally:
        process.kill()
        process.wait()
        wait_for("the machine's processes to end", lambda: _removed(group))


def _removed(group: Path) -> bool:
    for directory, _, _ in os.walk(group, topdown=False):
        with suppress(OSError):
            os.rmdir(directory)
    return not group.exists()


def why_not() -> str | None:
    """Why no machine can be booted here; None if one can."""
    if os.geteuid() != 0:
        return "a machine with systemd needs root"
    return None if SYSTEMD.exists() else "systemd is not installed"
