"""An older program: its wheels, built from the history and installed in an environment of their own."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tarfile
from pathlib import Path

from tests.upgrade.releases import OldProgram

FOLDERS = (".", "client", "simulator")
INSTALL_S = 900.0


class CannotInstall(Exception):
    """The program could not be built or installed; the message has the tool's output."""


def install(program: OldProgram, root: Path, directory: Path) -> Path:
    """Build the program's wheels and install them with the versions of its own lock. Returns its `reelq`.

    Raises:
        CannotInstall: a tool failed, for example because no package registry answers.
    """
    source, wheels, environment = directory / "source", directory / "wheels", directory / "environment"
    archive = subprocess.run(
        ["git", "archive", program.commit], cwd=root, capture_output=True, timeout=120, check=False
    )
    if archive.returncode != 0:
        raise CannotInstall(f"git archive {program.commit} failed:\n{archive.stderr.decode(errors='replace')}")
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as packed:
        packed.extractall(source, filter="data")
    for folder in FOLDERS:
        if (source / folder / "pyproject.toml").exists():
            _run(source / folder, sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(wheels))
    constraints = directory / "constraints.txt"
    constraints.write_text(_versions((source / "requirements.lock").read_text(encoding="utf-8")), encoding="utf-8")
    _run(directory, sys.executable, "-m", "venv", str(environment))
    [main] = wheels.glob("reelq-[0-9]*.whl")
    others = [str(wheel) for wheel in wheels.glob("*.whl") if wheel != main]
    pip = (str(environment / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check")
    _run(directory, *pip, "-c", str(constraints), f"{main}[local]", *others)
    return environment / "bin" / "reelq"


def _versions(lock: str) -> str:
    """The lock without hashes: the wheels that were just built have none in it, and pip wants all or none."""
    return "\n".join(re.findall(r"^[\w.-]+(?:\[[\w,-]+\])?==[^\\\n]+", lock, re.MULTILINE)) + "\n"


def _run(folder: Path, *command: str) -> None:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_S, check=False)
    except subprocess.TimeoutExpired:
        raise CannotInstall(f"{' '.join(command)} took longer than {INSTALL_S:g} s") from None
    if done.returncode != 0:
        raise CannotInstall(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
