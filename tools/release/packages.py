"""Build what a release consists of: wheels, the npm package, the chart. The same commit gives the same bytes."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

from tools.release.versions import ROOT

WHEELS = (".", "client", "simulator")


class BuildFailed(Exception):
    """A tool failed; the message has its output."""


def run(*command: str | Path, cwd: Path = ROOT, time: str | None = None, limit_s: float = 900) -> str:
    """Run a tool; returns what it printed.

    Raises:
        BuildFailed: it is missing, failed, or took longer than `limit_s`.
    """
    environ = os.environ | ({"SOURCE_DATE_EPOCH": time} if time else {})
    words = [str(word) for word in command]
    try:
        done = subprocess.run(words, cwd=cwd, env=environ, capture_output=True, text=True, timeout=limit_s, check=False)
    except FileNotFoundError:
        raise BuildFailed(f"{words[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise BuildFailed(f"{' '.join(words)} took longer than {limit_s:g} s") from None
    if done.returncode != 0:
        raise BuildFailed(f"{' '.join(words)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def build_wheels(target: Path, time: str) -> None:
    """`reelq`, `reelq-client` and `reelq-simulator`."""
    for folder in WHEELS:
        run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", target, cwd=ROOT / folder, time=time)


def build_npm(target: Path) -> None:
    """`@reelq/client`, as `npm publish` would take it."""
    run("npm", "pack", "--silent", "--pack-destination", target, cwd=ROOT / "client-ts")


def build_chart(target: Path, version: str, time: str) -> None:
    """The Helm chart, as `helm package` has it."""
    chart = ROOT / "deploy" / "helm" / "reelq"
    archive = target / f"reelq-chart-{version}.tgz"
    with (
        archive.open("wb") as file,
        gzip.GzipFile(filename="", fileobj=file, mode="wb", mtime=int(time)) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for path in sorted(path for path in chart.rglob("*") if path.is_file()):
            content = path.read_bytes()
            entry = tarfile.TarInfo(f"reelq/{path.relative_to(chart).as_posix()}")
            entry.size, entry.mtime, entry.mode = len(content), int(time), 0o644
            tar.addfile(entry, io.BytesIO(content))
