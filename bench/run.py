"""Run the parts in sequence, each in its own process, which is killed with all its servers at its time limit."""

from __future__ import annotations

import compileall
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from bench.metering import host_cpu_s, tree
from bench.parts import Part
from bench.servers import clean_environ

ROOT = Path(__file__).parents[1]
_OURS = ("seedance", "storage", "producer", "worker", "simulator", "client", "bench")


def run_part(part: Part, quick: bool) -> dict[str, Any]:
    """Run one part and print its report; returns the report as JSON, or `{"part": …, "failed": reason}`."""
    total_s, stolen_s = host_cpu_s()
    began = time.monotonic()
    print(f"== {part.name} (at most {part.limit_s:.0f} s)", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(prefix="reelq-bench-", ignore_cleanup_errors=True) as name:
        found = _in_child(part, quick, Path(name))
    total_s, stolen_s = host_cpu_s()[0] - total_s, host_cpu_s()[1] - stolen_s
    found["seconds"] = round(time.monotonic() - began, 1)
    found["steal_share"] = round(stolen_s / (total_s or 1.0), 4)
    stolen = f"the host gave {found['steal_share']:.1%} of the CPU to other machines"
    print(f"  {part.name} took {found['seconds']:.0f} s; {stolen}.\n", flush=True)
    return found


def command_of(part: Part, file: Path, quick: bool) -> list[str]:
    """The command that runs a part."""
    return [sys.executable, "-m", "bench.parts", part.name, str(file), *(["quick"] if quick else [])]


def _in_child(part: Part, quick: bool, directory: Path) -> dict[str, Any]:
    file = directory / "report.json"
    # All its files are in this directory, so that no file remains when it is killed.
    process = subprocess.Popen(
        command_of(part, file, quick),
        cwd=ROOT,
        env=clean_environ() | {"TMPDIR": str(directory)},
        start_new_session=True,
    )
    error = ""
    try:
        code = process.wait(part.limit_s)
        error = f"it exited with {code}" if code != 0 else ""
    except subprocess.TimeoutExpired:
        error = f"it did not finish within {part.limit_s:.0f} s"
    finally:
        _end(process)
    if error or not file.is_file():
        print(f"✗ {part.name} failed: {error or 'it wrote no report'}", flush=True)
        return {"part": part.name, "failed": error or "it wrote no report"}
    content = json.loads(file.read_text())
    print("\n".join(content["lines"]), flush=True)
    found: dict[str, Any] = content["json"]
    return found


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the remaining processes of a part: workers fork, and forks survive their parent."""
    left = tree([process.pid])
    for one in left:
        with suppress(psutil.Error):
            one.kill()
    psutil.wait_procs(left, timeout=10)
    process.wait(10)


def run(parts: Sequence[Part], quick: bool, file: Path) -> int:
    """Run these parts and write their figures to a file. Returns 1 if a part failed; missed targets do not count."""
    # As installers do with what the others are made of: where nothing may be written, each start would compile what
    # has changed since `make setup`.
    for name in _OURS:
        compileall.compile_dir(ROOT / name, quiet=2)
    results = {part.name: run_part(part, quick) for part in parts}
    machine = {"cpus": os.cpu_count(), "python": platform.python_version(), "system": platform.platform()}
    memory_mib = round(psutil.virtual_memory().total / 2**20)
    content = {"quick": quick, "machine": machine | {"memory_mib": memory_mib}, "parts": results}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    targets = [target for result in results.values() for target in result.get("targets", [])]
    reached = sum(target["reached"] for target in targets)
    print(f"{reached} of {len(targets)} targets reached; all figures are in {file}", flush=True)
    return int(any("failed" in result for result in results.values()))
