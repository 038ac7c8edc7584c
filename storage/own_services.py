"""Our own services, by host and port: the API, the database, the broker, the store, the gateways' addresses.

URLs that tenants give must not lead there: inside the network, such a service may trust who asks.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import urlsplit

from psycopg.conninfo import conninfo_to_dict

from storage.addresses.own import is_loopback
from storage.broker_url import parse_broker_url
from storage.settings import Settings

_PORTS = {"http": 80, "https": 443}
_DATABASE_PORT = "5432"


class OwnServices:
    """Knows them by the names and addresses of the settings."""

    def __init__(self, services: Iterable[tuple[str, int]]) -> None:
        self.named = frozenset((plain_host(host), port) for host, port in services)
        self._here = frozenset(port for host, port in self.named if is_loopback(host))

    def has(self, host: str, port: int) -> bool:
        """Whether a host (a name or an address) and a port are one of them. A service on loopback has every address of
        this machine."""
        name = plain_host(host)
        return (name, port) in self.named or (port in self._here and (is_loopback(name) or is_this_machine(name)))


def own_services(settings: Settings) -> OwnServices:
    """Those that the settings name. What `reelq up` starts is in `own_urls`."""
    urls = [
        *settings.own_urls,
        settings.public_url,
        settings.flower_url,
        settings.s3_endpoint_url,
        settings.s3_public_endpoint_url,
    ]
    urls += [account.base_url for account in settings.every_account]
    return _own(tuple(urls), settings.database_url, settings.broker_url, settings.broker_sentinel_master)


@lru_cache(maxsize=8)  # each row of a batch is checked
def _own(urls: tuple[str | None, ...], database: str | None, broker: str | None, master: str | None) -> OwnServices:
    targets = (target_of(url) for url in urls if url is not None)
    brokers = parse_broker_url(broker, master).hosts if broker else ()
    return OwnServices([*(target for target in targets if target is not None), *_database(database), *brokers])


def is_this_machine(address: str) -> bool:
    """Whether an address belongs to this machine: a socket can be bound to it. False for names."""
    try:
        family = socket.AF_INET6 if ip_address(address).version == 6 else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
    except (OSError, ValueError):
        return False
    return True


def target_of(url: str) -> tuple[str, int] | None:
    """The host and port to which an http(s) URL leads, None if it has none."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme.lower())
    except ValueError:
        return None
    return None if not parts.hostname or port is None else (parts.hostname, port)


def _database(url: str | None) -> Iterator[tuple[str, int]]:
    parameters = conninfo_to_dict(url) if url else {}
    ports = str(parameters.get("port") or _DATABASE_PORT).split(",")
    for key in ("host", "hostaddr"):
        hosts = [host for host in str(parameters.get(key) or "").split(",") if host and not host.startswith("/")]
        for number, host in enumerate(hosts):
            yield host, int(ports[number] if len(ports) == len(hosts) else ports[0] or _DATABASE_PORT)


def plain_host(host: str) -> str:
    """A name or an address in one spelling."""
    name = host.strip("[]").lower().rstrip(".")
    try:
        address = ip_address(name)
    except ValueError:
        return name
    return str(getattr(address, "ipv4_mapped", None) or address)
