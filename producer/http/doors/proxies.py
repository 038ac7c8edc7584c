"""Take the client's address, scheme and host from `X-Forwarded-…`, if a proxy that the operator trusts sends them.

From anybody else these headers are claims, and are left as they are. `Forwarded` (RFC 7239) is not read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

Networks = Sequence[IPv4Network | IPv6Network]
_WITH_PORT = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::\d+)?|([0-9.]+):\d+")
_HOST = re.compile(r"[A-Za-z0-9.-]+(:\d{1,5})?|\[[0-9A-Fa-f:.]+\](:\d{1,5})?")


class TrustedProxies:
    """Rewrites what a trusted proxy says about its client."""

    def __init__(self, app: ASGIApp, networks: Networks) -> None:
        self._app = app
        self._networks = networks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._networks and self._trusts((scope.get("client") or ("",))[0]):
            self._rewrite(scope)
        await self._app(scope, receive, send)

    def _trusts(self, address: str) -> bool:
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        parsed = getattr(parsed, "ipv4_mapped", None) or parsed
        return any(parsed in network for network in self._networks)

    def _rewrite(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        hops = _listed(headers, "x-forwarded-for")
        # The last one was written by the proxy that we see. Those before it count only if that one is trusted too.
        while len(hops) > 1 and self._trusts(_address(hops[-1]) or ""):
            hops.pop()
        if hops and (address := _address(hops[-1])) is not None:
            scope["client"] = (address, 0)
        if (proto := _listed(headers, "x-forwarded-proto")) and proto[-1].lower() in ("http", "https"):
            scope["scheme"] = proto[-1].lower()
        if (host := _listed(headers, "x-forwarded-host")) and _HOST.fullmatch(host[-1]):
            kept = [(name, value) for name, value in scope["headers"] if name != b"host"]
            scope["headers"] = [(b"host", host[-1].encode()), *kept]


def _listed(headers: Headers, name: str) -> list[str]:
    return [part.strip() for part in ",".join(headers.getlist(name)).split(",") if part.strip()]


def _address(text: str) -> str | None:
    """The address of a client. Some proxies add its port: `192.0.2.1:4711`, `[2001:db8::1]:4711`."""
    found = _WITH_PORT.fullmatch(text)
    try:
        address = ip_address(text if found is None else found[1] or found[2])
    except ValueError:
        return None
    return None if "%" in text else str(address)
