"""Valkey servers of a test's own, with the options that it needs."""

from __future__ import annotations

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


@dataclass(frozen=True, slots=True)
class Server:
    """A running server."""

    port: int

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def do(self, *words: str | int) -> object:
        """One command and its answer."""
        with redis.Redis(port=self.port) as client:
            return client.execute_command(*words)


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
    with (directory / f"{port}.log").open("wb") as log:
        process = subprocess.Popen(arguments, stdout=log, stderr=log)
    try:
        wait_for("Valkey listens", lambda: process.poll() is not None or _listens(port))
        assert process.poll() is None, (directory / f"{port}.log").read_text()
        yield Server(port)
    finally:
        process.kill()
        process.wait(30)


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False
