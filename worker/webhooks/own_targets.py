"""Webhooks never reach our own services, whatever addresses the settings allow otherwise.

The answer of the resolver that the connection then uses is checked, so a name that changes in between does not help. A
literal address is not resolved, and is checked before.
"""

from __future__ import annotations

import asyncio
import socket
import time

from aiohttp import ThreadedResolver
from aiohttp.abc import AbstractResolver, ResolveResult

from seedance.public_addresses import is_public
from storage.own_services import OwnServices, plain_host

KNOWN_S = 60.0
LOOK_UP_S = 2.0


class OwnTarget(Exception):
    """A URL leads to one of our own services. Not an OSError: that would make aiohttp try the next address."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(host, port)
        self.host = host
        self.port = port

    def __str__(self) -> str:
        return f"{self.host}:{self.port} is one of this installation's own services, which webhooks never reach"


class OwnTargets:
    """Our own services, and the addresses in private networks to which their names led last. Public addresses do not
    count: behind one, such as a content network's, there are the sites of many. Use it on one event loop only."""

    def __init__(self, services: OwnServices) -> None:
        self._services = services
        self._addresses: dict[tuple[str, int], frozenset[str]] = {}
        self._known_until = 0.0

    async def check(self, host: str, port: int) -> None:
        """Check a name or an address before it is connected to.

        Raises:
            OwnTarget: it is one of our own services.
        """
        if time.monotonic() > self._known_until:
            services = list(self._services.named)
            found = await asyncio.gather(*(_addresses(*service) for service in services))
            self._addresses |= {one: them for one, them in zip(services, found, strict=True) if them is not None}
            self._known_until = time.monotonic() + KNOWN_S
        address = plain_host(host)
        behind_names = (them for (_, at), them in self._addresses.items() if at == port)
        if self._services.has(host, port) or any(address in them for them in behind_names):
            raise OwnTarget(host, port)


class ForeignResolver(AbstractResolver):
    """Refuses a name that leads to one of our own services."""

    def __init__(self, own: OwnTargets, inner: AbstractResolver | None = None) -> None:
        self._own = own
        self._inner = inner

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Resolve a name.

        Raises:
            OwnTarget: one of its addresses is one of our own services.
            OSError: the name does not resolve.
        """
        if self._inner is None:
            self._inner = ThreadedResolver()
        results = await self._inner.resolve(host, port, family)
        for result in results:
            await self._own.check(result["host"], port)
        return results

    async def close(self) -> None:
        if self._inner is not None:
            await self._inner.close()


async def _addresses(host: str, port: int) -> frozenset[str] | None:
    """The addresses in private networks to which a name leads, None if that is not known now."""
    try:
        async with asyncio.timeout(LOOK_UP_S):
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, TimeoutError, UnicodeError):
        return None
    return frozenset(plain_host(str(address[0])) for *_, address in found if not is_public(str(address[0])))
