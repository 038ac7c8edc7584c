"""Check a configuration before any process starts."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from urllib.parse import urlsplit

from producer.local.errors import StackError
from storage import broker
from storage.broker import BrokerUnavailable, BrokerUnfit
from storage.database_url import UnusableUrl, parse_database_url
from storage.settings import Settings

CONNECT_TIMEOUT_S = 3.0
INSTALL_SIMULATOR = "pip install 'reelq[simulator]'"
_PORTS = {"http": 80, "https": 443}


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
    with ThreadPoolExecutor(3) as pool:
        for problem in pool.map(lambda find: find(settings), (_database, _broker, _store)):
            if problem:
                raise StackError(problem)


def simulator_installed() -> bool:
    """Whether `python -m simulator` can run: the simulator is a separate distribution."""
    try:
        return find_spec("simulator.main") is not None
    except ModuleNotFoundError:
        return False


def _database(settings: Settings) -> str | None:
    if settings.database_url is None:
        return None
    try:
        target = parse_database_url(settings.database_url)
    except UnusableUrl as exc:
        return f"database_url: {exc}"
    host, port = target.parameters.get("host", ""), target.parameters.get("port", "5432")
    if not host or host.startswith(("/", "@")) or "," in host:
        return None  # a Unix socket or several hosts: the server's own client finds out
    return _unanswered("database_url", host, int(port))


def _broker(settings: Settings) -> str | None:
    if settings.broker_url is None:
        return None
    target = settings.require_broker()
    if target.sentinel_master is None and target.socket_path is None:
        [(host, port)] = target.hosts
        if problem := _unanswered("broker_url", host, port):
            return problem
    client = broker.client(target, broker.PROBE_S)
    try:
        broker.check(client, target)
    except BrokerUnfit as exc:
        return f"broker_url: {exc}"
    except BrokerUnavailable:
        return None  # it is there; the workers wait for it
    finally:
        client.close()
    return None


def _store(settings: Settings) -> str | None:
    if settings.s3_endpoint_url is None:
        return None
    try:
        parts = urlsplit(settings.s3_endpoint_url)
        host, port = parts.hostname, parts.port or _PORTS.get(parts.scheme)
    except ValueError as exc:
        return f"s3_endpoint_url: is not a URL ({exc})"
    proxy = settings.outbound().proxies.of(settings.s3_endpoint_url)
    if proxy is not None:  # only the proxy can tell whether the store answers
        way = urlsplit(proxy.url)
        reason = _silence(way.hostname or "", way.port or _PORTS[way.scheme])
        return reason and (
            f"s3_endpoint_url: the proxy {proxy.url} does not answer ({reason}); correct proxy or the variable that "
            f"names it, or name {host} in NO_PROXY"
        )
    return None if host is None or port is None else _unanswered("s3_endpoint_url", host, port)


def _unanswered(key: str, host: str, port: int) -> str | None:
    reason = _silence(host, port)
    return reason and (
        f"{key}: no server answers at {host}:{port} ({reason}); start that server, correct {key}, "
        "or remove it to let `reelq up` start a local server"
    )


def _silence(host: str, port: int) -> str | None:
    """Why no server answers there; None if one does."""
    try:
        with socket.create_connection((host, port), CONNECT_TIMEOUT_S):
            return None
    except OSError as exc:
        return exc.strerror or str(exc) or type(exc).__name__
