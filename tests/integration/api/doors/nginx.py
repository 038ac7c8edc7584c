"""The real nginx, from the system's packages, in front of a server of a test."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.certificates import Certificates
from tests.waiting import PATIENCE_S, wait_for

DOCS = Path(__file__).parents[4] / "docs" / "proxies.md"
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")


def documented(made: Certificates, api: tuple[int, int], store: tuple[int, int]) -> str:
    """The `server` blocks of the docs, of the API and of the store: where each listens on 127.0.0.1, and the port that
    it leads to."""
    blocks = re.findall(r"```nginx\n(server \{.*?)```", DOCS.read_text(), re.DOTALL)
    adapted = []
    for block, (port, target), documented_target in zip(blocks, (api, store), (8080, 8333), strict=True):
        for old, new in (
            ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
            ("/etc/ssl/reelq.pem", str(made.certificate)),
            ("/etc/ssl/reelq.key", str(made.key)),
            (f"http://127.0.0.1:{documented_target}", f"http://127.0.0.1:{target}"),
        ):
            assert old in block
            block = block.replace(old, new)
        adapted.append(block)
    return "\n".join(adapted)


@contextmanager
def nginx(directory: Path, servers: str, user: str = "www-data") -> Iterator[None]:
    """nginx with these `server` blocks; as root, its workers run as `user`."""
    if NGINX is None:
        pytest.skip("nginx is not installed (Debian: apt-get install nginx-light)")
    for name in ("body", "proxy", "fastcgi", "uwsgi", "scgi"):
        (directory / name).mkdir()
    temporary = "\n".join(f"{name}_temp_path {directory}/{name};" for name in ("proxy", "fastcgi", "uwsgi", "scgi"))
    configuration = directory / "nginx.conf"
    configuration.write_text(
        f"""
        {f"user {user};" if os.geteuid() == 0 else ""}
        worker_processes 1; daemon off; pid {directory}/pid; error_log {directory}/error.log;
        events {{ worker_connections 64; }}
        http {{
            access_log off; client_body_temp_path {directory}/body; {temporary}
            {servers}
        }}
        """
    )
    process = subprocess.Popen(
        [NGINX, "-c", str(configuration), "-p", str(directory), "-e", str(directory / "error.log")],
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for("nginx has started or ended", lambda: (directory / "pid").exists() or process.poll() is not None)
        assert process.poll() is None, (directory / "error.log").read_text()
        yield
    finally:
        process.terminate()
        process.wait(PATIENCE_S)
