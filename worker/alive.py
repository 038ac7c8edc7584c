"""Signs that a process works: a file's time, for health checks of containers, because starting Python for each check
costs a second of CPU; and a message to systemd, where that has started the process."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping
from concurrent.futures import TimeoutError as NotAnswered
from pathlib import Path

from worker.runtime import Runtime

log = logging.getLogger("reelq.alive")

LOOP_ANSWERS_S = 5.0
"""A loop that has not answered for this long is stuck; a busy one answers within milliseconds."""


def show_alive(path: Path | None) -> None:
    """Tell systemd, and renew the time of the file; None: no file is configured. What fails is logged."""
    ping_watchdog()
    if path is None:
        return
    try:
        path.touch()
        os.utime(path)
    except OSError as exc:
        log.warning("alive.not_written path=%s error=%s", path, exc)


def ping_watchdog(environ: Mapping[str, str] = os.environ) -> None:
    """Tell systemd that this process works: a unit with `WatchdogSec=` is restarted if that does not come in time.

    Source: sd_notify(3)
    """
    address = environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    name = f"\0{address[1:]}" if address.startswith("@") else address
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            sender.sendto(b"WATCHDOG=1", name)
    except OSError as exc:
        log.warning("alive.not_sent socket=%s error=%s", address, exc)


def loop_answers(running: Runtime) -> bool:
    """Whether the process's event loop, on which everything runs, takes up work."""
    question = _nothing()
    try:
        running.start(question).result(LOOP_ANSWERS_S)
    except RuntimeError:  # the loop is closed: the process is about to end
        question.close()
        return False
    except NotAnswered:
        log.error("alive.loop_stuck seconds=%g", LOOP_ANSWERS_S)
        return False
    return True


async def _nothing() -> None:
    return None
