"""Check a configuration before any process starts."""

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
    """Check that the accounts have their API keys and that the configured servers answer.

    Raises:
        StackError: a server does not answer; the text names its setting. Or there is neither an account nor the
            simulator.
        seedance.problems.InvalidInput: an account's API key is missing.
    """
    if not settings.accounts and not simulator_installed():
        raise StackError(
            "accounts: none is configured, and the simulator, which would replace one, is not installed; "
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
    """Whether `python -m simulator` can run: the simulator is a separate distribution."""
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
        return None  # a Unix socket or a list of hosts: only the server's own client can check it
    try:
        with socket.create_connection((host, port), CONNECT_TIMEOUT_S):
            return None
    except OSError as exc:
        reason = exc.strerror or str(exc) or type(exc).__name__
        return (
            f"{key}: no server answers at {host}:{port} ({reason}); start that server, correct {key}, "
            "or remove it to let `reelq up` start a local server"
        )
