"""Connect to public addresses only; the check happens when the connection is made.

A check before the request would be useless: a name may resolve to another address a moment later. So the resolver's
answer is checked, and again the address that a socket is about to connect to. The system resolves spellings such as
`0x7f.1` as it does for every program; they count as the address that they are.

Behind a proxy there is no address to check, because the proxy resolves the name. What is plainly not public is refused
before the proxy sees it: addresses, in any spelling, and names of private networks. The rest is the proxy's own rules.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from typing import Any

import aiohttp
from aiohttp import ThreadedResolver
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from seedance.gateways.checks import is_public as may_be_public
from seedance.network.allowed import Network, is_allowed
from seedance.network.outbound import DIRECT, Outbound
from seedance.network.sessions import open_connector, open_session
from seedance.public_addresses import is_public

Judge = Callable[[str], bool]


class AddressNotPublic(Exception):
    """A host leads to an address that is not public. Not an OSError: that would make aiohttp try the next address."""

    def __init__(self, host: str, address: str = "") -> None:
        super().__init__(host, address)
        self.host = host
        self.address = address

    def __str__(self) -> str:
        if not self.address:
            return f"{self.host} is a name of a private network"
        if self.host in ("", self.address):
            return f"{self.address} is not a public address"
        return (
            f"{self.host} leads to {self.address}, which is not a public address; if that is right, as with a fake-IP "
            "resolver, name its network in allowed_networks"
        )


class PublicResolver(AbstractResolver):
    """Refuses a name if any of its addresses is not public: the other side could influence which one is used."""

    def __init__(self, inner: AbstractResolver | None = None, judge: Judge = is_public) -> None:
        self._inner = inner
        self._judge = judge

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Resolve a name.

        Raises:
            AddressNotPublic: one of its addresses is not public.
            OSError: the name does not resolve.
        """
        if self._inner is None:
            self._inner = ThreadedResolver()
        results = await self._inner.resolve(host, port, family)
        for result in results:
            if not self._judge(result["host"]):
                raise AddressNotPublic(host, result["host"])
        return results

    async def close(self) -> None:
        if self._inner is not None:
            await self._inner.close()


class PublicSessions:
    """Two sessions: one that checks addresses, and one that does not, for hosts that the operator configured and for
    proxies. Use them on one event loop only."""

    def __init__(
        self,
        outbound: Outbound = DIRECT,
        *,
        allow_private: bool = False,
        allowed: Sequence[Network] = (),
        resolver: AbstractResolver | None = None,
        judge: Judge = is_public,
        connections: int,
        **options: Any,
    ) -> None:
        """`allowed`: networks that count as public when a name leads there. `options` are ClientSession's.

        `resolver` and `judge` replace the system's resolver and `is_public` where those cannot be used.
        """
        self._outbound = outbound
        self._allow_private = allow_private
        self._allowed = tuple(allowed)
        self._resolver = resolver
        self._judge = judge
        self._connections = connections
        self._options = options
        self._sessions: dict[bool, aiohttp.ClientSession] = {}

    def for_url(self, url: URL, *, trusted: bool = False) -> aiohttp.ClientSession:
        """The session for a URL. `trusted`: its host may have any address.

        Raises:
            AddressNotPublic: its host is not public, as far as the URL itself tells.
        """
        if trusted or self._allow_private:
            return self._session(checked=False)
        host = (url.host or "").rstrip(".")
        address = literal_address(host)
        if address is not None and not self._judge(address):
            raise AddressNotPublic("", address)
        if self._outbound.proxies.of(str(url)) is None:
            return self._session(checked=True)
        if address is None and not may_be_public(host):
            raise AddressNotPublic(host)
        return self._session(checked=False)

    def _session(self, *, checked: bool) -> aiohttp.ClientSession:
        if checked not in self._sessions:
            options: dict[str, Any] = {"limit": self._connections, "keepalive_timeout": 30.0}
            if checked:
                options["resolver"] = PublicResolver(self._resolver, self._may_be_connected)
                options["socket_factory"] = self._open_socket
            elif self._resolver is not None:
                options["resolver"] = self._resolver
            connector = open_connector(self._outbound, **options)
            self._sessions[checked] = open_session(self._outbound, connector, **self._options)
        return self._sessions[checked]

    def _may_be_connected(self, address: str) -> bool:
        return self._judge(address) or is_allowed(address, self._allowed)

    def _open_socket(self, info: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, address = info
        if not self._may_be_connected(address[0]):
            raise AddressNotPublic("", address[0])
        return socket.socket(family, kind, protocol)

    async def close(self) -> None:
        """Close all connections."""
        sessions, self._sessions = self._sessions, {}
        for session in sessions.values():
            await session.close()


def literal_address(host: str) -> str | None:
    """The address that a host is, in any spelling that the system's resolver understands; None for a name."""
    try:
        return str(ip_address(host))
    except ValueError:
        pass
    try:
        return socket.inet_ntoa(socket.inet_aton(host))
    except (OSError, UnicodeError):
        return None
