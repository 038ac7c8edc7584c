"""Processes that read media, kept for the next producer or worker of the tests: to start one takes 0.1 s of CPU."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from producer.intake.media_check import Probe
from worker.transferring.poster import Posters

START_DECODER, END_DECODER = Posters._start, Posters.close
"""What `Posters` itself does, for tests of just that."""


@contextmanager
def probes_kept() -> Iterator[None]:
    """Give the process of a producer that closes to the next one, unless it is in the middle of a file."""
    ask, close = Probe._ask, Probe.close
    free: list[subprocess.Popen[bytes]] = []
    asking: set[Probe] = set()

    def ask_kept(probe: Probe, question: Mapping[str, str]) -> dict[str, Any]:
        while probe._child is None and free:
            child = free.pop()
            probe._child = child if child.poll() is None else None
        asking.add(probe)
        try:
            return ask(probe, question)
        finally:
            asking.discard(probe)

    def keep(probe: Probe) -> None:
        if probe._child is None or probe in asking:
            close(probe)
            return
        free.append(probe._child)
        probe._child = None

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Probe, "_ask", ask_kept)
        patch.setattr(Probe, "close", keep)
        yield
    for child in free:
        last = Probe()
        last._child = child
        last.close()


@contextmanager
def decoders_kept() -> Iterator[None]:
    """Give the decoder of a worker that closes to the next one, unless it is in the middle of a video."""
    free: list[tuple[subprocess.Popen[bytes], socket.socket]] = []

    def start_kept(posters: Posters) -> socket.socket:
        while free:
            process, channel = free.pop()
            if process.poll() is None:
                posters._process, posters._channel = process, channel
                return channel
            channel.close()
        return START_DECODER(posters)

    def keep(posters: Posters) -> None:
        if posters._process is None or posters._channel is None or posters._turn.locked():
            END_DECODER(posters)
            return
        free.append((posters._process, posters._channel))
        posters._process = posters._channel = None

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Posters, "_start", start_kept)
        patch.setattr(Posters, "close", keep)
        yield
    for process, channel in free:
        last = Posters()
        last._process, last._channel = process, channel
        last.close()
