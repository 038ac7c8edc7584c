"""Configure Celery's transport with the same servers, TLS and time limits as `storage.broker`."""

from __future__ import annotations

import logging
import socket
import time
from typing import Any
from urllib.parse import quote

from kombu.transport import TRANSPORT_ALIASES, redis

from storage import broker
from storage.broker import PROTOCOL, BrokerUnavailable, BrokerUnfit, sentinel_arguments, tls_arguments
from storage.broker_url import BrokerUrl
from storage.settings import Settings
from worker.leaving import Leaving

log = logging.getLogger("reelq.broker")

ANSWER_S = 6.0
"""Time limit of a command; longer than the second that a worker waits for messages at a time."""
CHECK_S = 5
"""Seconds between checks for silently dropped connections. The connection on which a worker waits for messages is
replaced after at most two intervals and a second: 11 s. One that listens to events or remote control is replaced after
four intervals at most: 20 s."""
_CONNECT_S = 5.0


class _Lean:
    """What all our channels change: they speak RESP2, which needs no HELLO, and use one client for all commands. Kombu
    makes one for each acknowledgement and each event, which costs as much as the command. A client holds no connection:
    it takes one from the pool for each command, so threads may share it. Their connections leave soon at the end."""

    _commands: Any = None

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:
        parameters: dict[str, Any] = super()._connparams(asynchronous)  # type: ignore[misc] # of a channel
        kind = type("Leaving", (Leaving, parameters["connection_class"]), {})
        return {**parameters, "protocol": PROTOCOL, "connection_class": kind}

    def _create_client(self, asynchronous: bool = False) -> Any:
        make = super()._create_client  # type: ignore[misc] # of a channel
        if asynchronous:  # it keeps its connection
            return make(asynchronous)
        client = self._commands
        if client is None or client.connection_pool is not self.pool:  # type: ignore[attr-defined] # of a channel
            client = self._commands = make()
        return client


class _Poller(redis.MultiChannelPoller):
    """Kombu checks a connection that listens to published messages only in an event loop. Flower has none: it would
    wait for ever on a connection that was dropped silently."""

    _check_at = 0.0

    def get(self, callback: Any, timeout: float | None = None) -> Any:
        """Wait for a message, without an event loop."""
        if time.monotonic() >= self._check_at:
            self._check_at = time.monotonic() + CHECK_S
            if any(kind == "LISTEN" for _, kind in self.fds.values()):
                self.maybe_check_subclient_health()  # type: ignore[no-untyped-call] # kombu has no types
        return super().get(callback, timeout)  # type: ignore[no-untyped-call] # kombu has no types


class _Checked:
    """What all our transports change."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        make: Any = _Poller  # untyped
        self.cycle: Any = make()


class Channel(_Lean, redis.Channel):
    """A channel of `Transport`."""


class Transport(_Checked, redis.Transport):
    """Redis or Valkey, by TCP, TLS or a Unix socket."""

    Channel = Channel


class SentinelChannel(_Lean, redis.SentinelChannel):
    """The same, for the master that Sentinels name."""


class SentinelTransport(_Checked, redis.SentinelTransport):
    """Sentinels."""

    Channel = SentinelChannel


def register() -> None:
    """Use these transports for every connection of this process, also when Celery moves on to the next Sentinel."""
    TRANSPORT_ALIASES.update(
        redis=f"{__name__}:{Transport.__name__}", sentinel=f"{__name__}:{SentinelTransport.__name__}"
    )


def celery_settings(target: BrokerUrl) -> dict[str, Any]:
    """`broker_url`, `broker_use_ssl` and the transport options for a broker."""
    options: dict[str, Any] = {
        "socket_timeout": ANSWER_S,
        "socket_connect_timeout": target.connect_timeout_s or _CONNECT_S,
        "socket_keepalive": True,
        "socket_keepalive_options": _keepalive(),
        "health_check_interval": CHECK_S,
    }
    if target.sentinel_master is not None:
        options |= {"master_name": target.sentinel_master, "sentinel_kwargs": sentinel_arguments(target)}
    return {
        "broker_url": _url(target),
        "broker_use_ssl": tls_arguments(target),
        "broker_transport_options": options,
    }


def check_broker(settings: Settings) -> None:
    """Check the broker at start: Celery would retry one that can never serve.

    Raises:
        BrokerUnfit: it cannot be the broker. A broker that does not respond is only logged; Celery waits for it.
    """
    target = settings.require_broker()
    client = broker.client(target, broker.PROBE_S)
    try:
        broker.check(client, target)
    except BrokerUnfit:
        raise
    except BrokerUnavailable as exc:
        log.warning("start.no_broker error=%s", exc)
    finally:
        client.close()


def _keepalive() -> dict[int, int]:
    """TCP keepalive options, for connections that are dropped on the way, as far as the system has them."""
    wanted = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 20_000}
    return {getattr(socket, name): value for name, value in wanted.items() if hasattr(socket, name)}


def _url(target: BrokerUrl) -> str:
    """The URL for Celery's transport, without parameters, which it supports only in part."""
    user, password = quote(target.username or "", safe=""), quote(target.password or "", safe="")
    who = f"{user}:{password}@" if password else f"{user}@" if user else ""
    if target.socket_path is not None:
        return f"redis+socket://{who}{quote(target.socket_path)}?virtual_host={target.db}"
    scheme = "redis" if target.sentinel_master is None else "sentinel"
    hosts = (f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in target.hosts)
    return ";".join(f"{scheme}://{who}{host}/{target.db}" for host in hosts)
