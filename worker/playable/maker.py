"""Run the process that makes one playable copy, within a time limit."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import IO

from worker.playable.copy_process import REASON_BYTES

LIMIT_S = 3600.0
_PROGRAM = Path(__file__).with_name("copy_process.py")
# The encoder gets none of our settings and no secret.
_ENVIRONMENT = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "LANG")


async def make(source: IO[bytes], target: IO[bytes]) -> str | None:
    """Write a playable copy of one file to another; why there is none, or None. The process is killed when this is
    cancelled.

    Raises:
        TimeoutError: it took longer than `LIMIT_S`.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        str(_PROGRAM),
        str(os.getpid()),
        stdin=source,
        stdout=target,
        stderr=asyncio.subprocess.PIPE,
        env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
    )
    try:
        async with asyncio.timeout(LIMIT_S):
            _, said = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode == 0:
        return None
    lines = said.decode("utf-8", "replace").strip().splitlines()
    text = lines[-1][:REASON_BYTES] if lines else ""
    return text or f"the encoder exited with status {process.returncode}"
