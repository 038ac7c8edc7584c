"""Celery's side of the broker: the same servers, TLS and time limits as `storage.broker` has."""

from __future__ import annotations

import logging
import socket
from typing import Any
from urllib.parse import quote

from kombu.transport import TRANSPORT_ALIASES, redis

from storage import broker
from storage.broker import PROTOCOL, BrokerUnavailable, BrokerUnfit, sentinel_arguments, tls_arguments
from storage.broker_url import BrokerUrl
from storage.settings import Settings

log = logging.getLogger("reelq.broker")

ANSWER_S = 6.0
"""How long a command may go without its answer; longer than the second that a worker waits for messages at a time."""
CHECK_S = 5
"""How often a worker looks for connections that were dropped without a word. The one on which it waits for messages is
dropped when it has said nothing for this long and a second, so within 11 s."""
_CONNECT_S = 5.0


class Channel(redis.Channel):
    """Speaks RESP2, which every server knows, also one whose HELLO is disabled."""

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:
        parameters: dict[str, Any] = super()._connparams(asynchronous)  # type: ignore[no-untyped-call]
        return {**parameters, "protocol": PROTOCOL}


class Transport(redis.Transport):
    """Redis or Valkey, by TCP, TLS or a Unix socket."""

    Channel = Channel


class SentinelChannel(redis.SentinelChannel):
    """The same for the master that Sentinels name."""

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:
        parameters: dict[str, Any] = super()._connparams(asynchronous)  # type: ignore[no-untyped-call]
        return {**parameters, "protocol": PROTOCOL}


class SentinelTransport(redis.SentinelTransport):
    """Sentinels."""

    Channel = SentinelChannel


def register() -> None:
    """Let every connection of this process use these transports, also one that Celery makes for the next Sentinel."""
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
    """Look at the broker before Celery does, which would meet one that cannot serve again and again.

    Raises:
        BrokerUnfit: it cannot be the broker. One that does not answer is waited for.
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
    """For a connection that is dropped between the machines. Names differ by system; those that are missing stay at the
    system's own values."""
    wanted = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 20_000}
    return {getattr(socket, name): value for name, value in wanted.items() if hasattr(socket, name)}


def _url(target: BrokerUrl) -> str:
    """In the form that Celery's transport reads, without parameters, which it understands in part."""
    user, password = quote(target.username or "", safe=""), quote(target.password or "", safe="")
    who = f"{user}:{password}@" if password else f"{user}@" if user else ""
    if target.socket_path is not None:
        return f"redis+socket://{who}{quote(target.socket_path)}?virtual_host={target.db}"
    scheme = "redis" if target.sentinel_master is None else "sentinel"
    hosts = (f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in target.hosts)
    return ";".join(f"{scheme}://{who}{host}/{target.db}" for host in hosts)
