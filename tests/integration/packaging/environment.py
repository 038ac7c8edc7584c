"""Wheels of this project, and environments that hold them and what they ask for, linked from here."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
import venv
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import cache_from_source
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def build(folder: Path, target: Path) -> Path:
    """The wheel of a folder, made by its own build backend in this environment."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=120)
    [wheel] = target.glob("*.whl")
    return wheel


def locked(lock: str) -> list[str]:
    return re.findall(r"^([\w.-]+)(?:\[[\w,-]+\])?==", (ROOT / "deploy" / "docker" / lock).read_text(), re.MULTILINE)


class Environment:
    """A virtual environment that holds a wheel, and the packages of a lock."""

    def __init__(self, folder: Path, wheels: Sequence[Path], packages: Sequence[str]) -> None:
        venv.create(folder, symlinks=True, with_pip=False)
        self.python = folder / "bin" / "python"
        [self.site] = (folder / "lib").glob("python*/site-packages")
        for wheel in wheels:
            with ZipFile(wheel) as archive:
                archive.extractall(self.site)
                for name in archive.namelist():
                    self._compile(name)
        for package in packages:
            self._link(package)

    def _compile(self, name: str) -> None:
        """Bring along what the checkout has compiled of a module, as an installer compiles what it copies."""
        module = self.site / name
        for root in (ROOT, ROOT / "client"):
            source = root / name
            compiled = Path(cache_from_source(str(source)))
            if name.endswith(".py") and compiled.is_file() and source.read_bytes() == module.read_bytes():
                written = source.stat().st_mtime_ns  # by which Python knows what it has compiled
                os.utime(module, ns=(written, written))
                target = Path(cache_from_source(str(module)))
                target.parent.mkdir(exist_ok=True)
                shutil.copyfile(compiled, target)

    def _link(self, package: str) -> None:
        try:
            found = distribution(package)
        except PackageNotFoundError:  # for another system
            return
        for name in {path.parts[0] for path in found.files or ()} - {"..", "__pycache__"}:
            if not (self.site / name).exists():
                (self.site / name).symlink_to(Path(str(found.locate_file(name))))
        for path in found.files or ():
            source, target = Path(str(found.locate_file(path))), self.python.parent / path.name
            # A program such as rclone's. A script would run the Python that it was installed for.
            if path.parts[0] != ".." or source.parent.name != "bin" or source.read_bytes()[:2] == b"#!":
                continue
            if not target.exists():
                target.symlink_to(source.resolve())

    def run(
        self, *arguments: str, cwd: Path, timeout_s: float = 120.0, environ: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run its Python from a folder that holds none of our code, without our settings."""
        return subprocess.run(
            [str(self.python), *arguments],
            cwd=cwd,
            env={"PATH": os.environ["PATH"], "REELQ_CONFIG": os.devnull, **(environ or {})},
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def reelq(
        self, *arguments: str, cwd: Path, timeout_s: float = 120.0, environ: Mapping[str, str] | None = None
    ) -> tuple[int, str]:
        """What `reelq` prints, and its exit code."""
        entry, function = PROJECT["scripts"]["reelq"].split(":")
        code = f"import sys; from {entry} import {function} as main; sys.argv[0] = 'reelq'; sys.exit(main())"
        done = self.run("-c", code, *arguments, cwd=cwd, timeout_s=timeout_s, environ=environ)
        return done.returncode, " ".join((done.stdout + done.stderr).split())
