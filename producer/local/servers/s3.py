"""An S3 server on this machine: `rclone serve s3` of a directory; each subdirectory is a bucket."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path

from producer.local.ports import HOST
from producer.local.private_file import private_directory
from producer.local.processes.spec import ChildSpec
from producer.local.servers import wheels


@dataclass(frozen=True, slots=True)
class S3:
    """An S3 server."""

    directory: Path
    port: int
    access_key_id: str
    secret_access_key: str
    log: Path

    @property
    def url(self) -> str:
        """The endpoint URL."""
        return f"http://{HOST}:{self.port}"

    @property
    def buckets(self) -> Path:
        """The directory whose subdirectories are the buckets."""
        return self.directory / "buckets"

    def prepare(self, *buckets: str) -> None:
        """Create the directory, and the buckets in it."""
        wheels.rclone()
        private_directory(self.buckets)
        for bucket in buckets:
            private_directory(self.buckets / bucket)

    def spec(self) -> ChildSpec:
        """The server process."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("RCLONE_")}
        own = {
            # Keys in the environment, because every user of the machine can read command lines.
            "RCLONE_AUTH_KEY": f'"{self.access_key_id},{self.secret_access_key}"',
            "RCLONE_CONFIG": "",  # in memory, so that the user's own remotes and options do not apply
            "RCLONE_CACHE_DIR": str(self.directory / "cache"),
        }
        options = (
            f"--addr={HOST}:{self.port}",
            "--vfs-cache-mode=off",
            # Changes of other programs in the directory may stay unseen this long. Reading a large directory is slow.
            "--dir-cache-time=10s",
            "--buffer-size=1Mi",
            "--log-level=NOTICE",
            "--server-read-timeout=1h",
            "--server-write-timeout=1h",
        )
        return ChildSpec(
            "s3",
            (str(wheels.rclone()), "serve", "s3", *options, str(self.buckets)),
            cwd=self.directory,
            log=self.log,
            env=inherited | own,
            ready=self._is_ready,
        )

    def _is_ready(self, _pid: int) -> bool:
        try:
            with socket.create_connection((HOST, self.port), timeout=0.5):
                return True
        except OSError:
            return False
