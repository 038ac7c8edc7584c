"""What is checked of a configuration before anything is started."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from urllib.parse import urlsplit

from producer.local.errors import StackError
from storage.settings import Settings

CONNECT_TIMEOUT_S = 3.0
INSTALL_SIMULATOR = "pip install 'reelq[simulator]'"
_PORTS = {"redis": 6379, "rediss": 6379, "http": 80, "https": 443, "postgresql": 5432, "postgres": 5432}


def check(settings: Settings) -> None:
    """Look whether the keys of the accounts are there and whether the configured servers answer.

    Raises:
        StackError: one does not; the text names its key. Or there is neither an account nor the simulator.
        seedance.problems.InvalidInput: an account's key is missing.
    """
    if not settings.accounts and not simulator_installed():
        raise StackError(
            "accounts: none is configured, and the simulator, which would stand in for one, is not installed; "
            f"add [[accounts]] to reelq.toml, or run: {INSTALL_SIMULATOR}"
        )
    for account in settings.accounts:
        account.key()
    servers = {
        "database_url": settings.database_url,
        "broker_url": settings.broker_url,
        "s3_endpoint_url": settings.s3_endpoint_url,
    }
    with ThreadPoolExecutor(len(servers)) as pool:
        for problem in pool.map(_problem, servers, servers.values()):
            if problem:
                raise StackError(problem)


def simulator_installed() -> bool:
    """Whether `python -m simulator` would find it: it is a distribution of its own."""
    try:
        return find_spec("simulator.main") is not None
    except ModuleNotFoundError:
        return False


def _problem(key: str, url: str | None) -> str | None:
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or _PORTS.get(parts.scheme.split("+")[0])
    except ValueError as exc:
        return f"{key}: is not a URL ({exc})"
    if host is None or port is None:
        return None  # a Unix socket, a list of hosts: its own client knows
    try:
        with socket.create_connection((host, port), CONNECT_TIMEOUT_S):
            return None
    except OSError as exc:
        reason = exc.strerror or str(exc) or type(exc).__name__
        return (
            f"{key}: nothing answers at {host}:{port} ({reason}); start that server or correct {key}, "
            "or leave it out, and `reelq up` starts one of its own"
        )
