"""The file that health checks look at, and the message that systemd waits for."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from worker import alive


class Loop:
    """A runtime's loop, which can be stuck."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def start(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop)


def test_the_file_is_made_and_renewed(tmp_path: Path) -> None:
    path = tmp_path / "alive"
    alive.show_alive(path)
    os.utime(path, (0, 0))
    alive.show_alive(path)
    assert path.stat().st_mtime > 0
    alive.show_alive(None)


def test_a_file_that_cannot_be_written_ends_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    alive.show_alive(tmp_path / "missing" / "alive")
    assert "alive.not_written" in caplog.text


def test_a_stuck_loop_does_not_count_as_alive(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    running: Any = Loop()
    assert alive.loop_answers(running)
    monkeypatch.setattr(alive, "LOOP_ANSWERS_S", 0.1)
    released = threading.Event()
    running.loop.call_soon_threadsafe(released.wait)
    with caplog.at_level(logging.ERROR):
        assert not alive.loop_answers(running)
    assert "alive.loop_stuck" in caplog.text
    released.set()
    monkeypatch.undo()
    assert alive.loop_answers(running), "it has taken up what waited"
    running.loop.call_soon_threadsafe(running.loop.stop)
    running.thread.join()
    running.loop.close()


@pytest.mark.parametrize("abstract", [False, True], ids=["path", "abstract"])
def test_systemd_gets_a_ping(tmp_path: Path, abstract: bool) -> None:
    address = f"@reelq-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(f"\0{address[1:]}" if abstract else address)
        systemd.settimeout(10)
        alive.ping_watchdog({"NOTIFY_SOCKET": address})
        assert systemd.recv(100) == b"WATCHDOG=1"


def test_a_service_manager_that_is_gone_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    alive.ping_watchdog({})
    assert "alive." not in caplog.text
    alive.ping_watchdog({"NOTIFY_SOCKET": str(tmp_path / "nothing")})
    assert "alive.not_sent" in caplog.text
