"""Another wall clock for the programs of a host, by a small library that is compiled and preloaded."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

_SOURCE = Path(__file__).with_name("clock.c")
_COMPILE_S = 60.0


def compiled(directory: Path) -> Path | None:
    """The library, compiled into this directory; None where there is no C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return None
    library = directory / "clock.so"
    command = [compiler, "-shared", "-fPIC", "-O2", "-o", str(library), str(_SOURCE)]
    done = subprocess.run(command, capture_output=True, timeout=_COMPILE_S, check=False)
    return library if done.returncode == 0 else None


def clock_of(library: Path, offset_s: int) -> tuple[str, ...]:
    """The prefix of a command whose wall clock is wrong by this much."""
    return ("/usr/bin/env", f"LD_PRELOAD={library}", f"CLOCK_OFFSET_S={offset_s}")
