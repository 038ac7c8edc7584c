"""Networks that count as public although they are not, because the operator says so.

A resolver of Clash or sing-box answers with made-up addresses of 198.18.0.0/15 and sends what goes there on its way.
Such an address is right when it comes from a name. Written as an address in a URL, it is refused as before.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from seedance.public_addresses import embedded_ipv4

Network = IPv4Network | IPv6Network

_GUARDED: tuple[Network, ...] = tuple(
    ip_network(network)
    for network in (
        "127.0.0.0/8",
        "::1/128",
        "169.254.0.0/16",  # link-local; most clouds' metadata
        "fe80::/10",
        "100.100.100.200/32",  # Alibaba Cloud's metadata
        "168.63.129.16/32",  # Azure's
        "192.0.0.192/32",  # Oracle Cloud's
        "fd00:ec2::254/128",  # AWS's
    )
)
"""This host and metadata services. A network around one of them does not allow it; only naming it, or a part of it,
does."""


def parse_network(text: str) -> Network:
    """A network such as 198.18.0.0/15.

    Raises:
        ValueError: it is none; the text says why.
    """
    try:
        return ip_network(text.strip())
    except ValueError as exc:
        if "has host bits set" in str(exc):
            raise ValueError(f"{text} has bits after its prefix; write {ip_network(text.strip(), False)}") from None
        raise ValueError(f"{text!r} is not a network such as 198.18.0.0/15") from None


def is_allowed(text: str, networks: Iterable[Network]) -> bool:
    """Whether an address lies in one of these networks, in any IPv6 form."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    if isinstance(address, IPv6Address):
        address = embedded_ipv4(address) or address
    guards = [guard for guard in _GUARDED if address in guard]
    return any(address in network and all(_within(network, guard) for guard in guards) for network in networks)


def _within(network: Network, guard: Network) -> bool:
    if isinstance(network, IPv4Network):
        return isinstance(guard, IPv4Network) and network.subnet_of(guard)
    return isinstance(guard, IPv6Network) and network.subnet_of(guard)
