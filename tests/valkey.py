"""Valkey servers of a test's own, with the options that it needs."""

from __future__ import annotations

import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import redis

from producer.local.servers import wheels
from tests.ports import reserve_valkey_port
from tests.waiting import wait_for


@dataclass(slots=True)
class Server:
    """A server, which runs until it is killed."""

    port: int
    _arguments: list[str]
    _log: Path
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def do(self, *words: str | int) -> object:
        """One command and its answer."""
        with redis.Redis(port=self.port) as client:
            return client.execute_command(*words)

    def start(self) -> None:
        """Start it, also after `kill`; it knows nothing then."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._arguments, stdout=log, stderr=log)
        process = self._process
        wait_for("Valkey listens", lambda: process.poll() is not None or _listens(self.port))
        assert process.poll() is None, self._log.read_text()

    def stop(self) -> None:
        """Hang: the kernel takes what clients send, and nothing answers."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Run again after `stop`."""
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it without a word."""
        if self._process is not None:
            self._signal(signal.SIGKILL)
            self._process.wait(30)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)


@contextmanager
def valkey(directory: Path, *options: str, config: str | None = None) -> Iterator[Server]:
    """Run a server. `config`: the lines of its configuration file, which a Sentinel writes to."""
    port = reserve_valkey_port()
    arguments = [str(wheels.valkey_server())]
    if config is not None:
        file = directory / f"{port}.conf"
        file.write_text(config)
        arguments.append(str(file))
    arguments += ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(directory), *options]
    server = Server(port, arguments, directory / f"{port}.log")
    try:
        server.start()
        yield server
    finally:
        server.kill()


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False
