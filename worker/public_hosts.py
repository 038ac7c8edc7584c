"""Connect to public addresses only; the check happens when the connection is made.

A check before the request would be useless: a name may resolve to another address a moment later. So the resolver's
answer is checked, and again the address that a socket is about to connect to, which covers literal addresses as well.
The system resolves spellings such as `0x7f.1` as it does for every program; then they are checked.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from aiohttp import TCPConnector, ThreadedResolver
from aiohttp.abc import AbstractResolver, ResolveResult

from seedance.public_addresses import is_public

Judge = Callable[[str], bool]


class AddressNotPublic(Exception):
    """A host leads to an address that is not public. Not an OSError: that would make aiohttp try the next address."""

    def __init__(self, host: str, address: str) -> None:
        super().__init__(host, address)
        self.host = host
        self.address = address

    def __str__(self) -> str:
        if self.host in ("", self.address):
            return f"{self.address} is not a public address"
        return f"{self.host} leads to {self.address}, which is not a public address"


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


def public_connector(
    *, resolver: AbstractResolver | None = None, judge: Judge = is_public, **options: Any
) -> TCPConnector:
    """A connector for `aiohttp.ClientSession` that reaches public addresses only; `options` are TCPConnector's.

    `resolver` and `judge` replace the system's resolver and `is_public` where those cannot be used.
    """

    def open_socket(info: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, address = info
        if not judge(address[0]):
            raise AddressNotPublic("", address[0])
        return socket.socket(family, kind, protocol)

    return TCPConnector(resolver=PublicResolver(resolver, judge), socket_factory=open_socket, **options)
