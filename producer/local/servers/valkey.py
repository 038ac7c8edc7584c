"""Valkey on this machine: a broker without persistence, because it may be lost at any time."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path

from producer.local.ports import HOST
from producer.local.private_file import write_private
from producer.local.processes.spec import ChildSpec
from producer.local.servers import wheels


@dataclass(frozen=True, slots=True)
class Valkey:
    """A Valkey server."""

    directory: Path
    port: int
    password: str
    log: Path

    @property
    def url(self) -> str:
        """The URL of its database 0."""
        return f"redis://:{self.password}@{HOST}:{self.port}/0"

    def prepare(self) -> None:
        """Write its configuration file with the password, because every user can read command lines."""
        wheels.valkey_server()
        lines = [
            f"bind {HOST}",
            f"port {self.port}",
            f"requirepass {self.password}",
            'save ""',
            "appendonly no",
            f"dir {self._quoted_directory()}",
            # Messages only repeat the job table, but a queue must not silently evict some of them.
            "maxmemory 256mb",
            "maxmemory-policy noeviction",
            "tcp-keepalive 30",
        ]
        write_private(self._config, "\n".join(lines) + "\n")

    @property
    def _config(self) -> Path:
        return self.directory / "valkey.conf"

    def _quoted_directory(self) -> str:
        escaped = str(self.directory).replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'

    def spec(self) -> ChildSpec:
        """The server process."""
        return ChildSpec(
            "valkey",
            (str(wheels.valkey_server()), str(self._config)),
            cwd=self.directory,
            log=self.log,
            ready=self._is_ready,
        )

    def _is_ready(self, _pid: int) -> bool:
        try:
            with socket.create_connection((HOST, self.port), timeout=0.5) as connection:
                connection.sendall(f"AUTH {self.password}\r\nPING\r\n".encode())
                answer = b""
                while answer.count(b"\r\n") < 2 and (received := connection.recv(256)):
                    answer += received
        except OSError:
            return False
        return answer == b"+OK\r\n+PONG\r\n"
