"""Whether a program on this machine, of the server's own user, sends a request: it needs no key.

A usual proxy on this machine looks the same at first sight: it connects from loopback and asks for `127.0.0.1:8080`. So
a request counts as local only if nothing speaks for a proxy or a browser that was led here: both ends of the socket are
loopback, its other end belongs to a process of our own user, the name in `Host` is a loopback name, there is no header
that proxies add, and it is not HTTP/1.0, which nginx speaks to servers behind it and clients no longer do.

Our own workers are such programs too, and they call URLs that tenants chose: webhooks, references, videos. Those
requests need a key like any other, and never have one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from producer.http.doors.peers import Peer
from storage.addresses.own import is_loopback

PEER = "reelq_peer"
"""Where a connection keeps its `Peer` in the scope's state."""
_FORWARDING = frozenset(
    {"forwarded", "via", "cdn-loop", "client-ip", "true-client-ip", "x-client-ip", "x-cluster-client-ip", "x-real-ip"}
)
_FORWARDING_BEGIN = ("x-forwarded", "x-original-", "x-proxy", "x-envoy-", "x-amzn-", "x-arr-", "cf-", "fly-", "fastly-")
_OUR_OWN = re.compile(r"reelq(/|$)")
"""The `User-Agent` of everything that this installation fetches or calls on behalf of tenants."""
_DELIVERY = ("webhook-id", "webhook-timestamp", "webhook-signature")


async def why_not_local(connection: HTTPConnection) -> str | None:
    """Why a request does not count as one of a program on this machine; None if it does."""
    came_from, came_to = (connection.scope.get(end) or ("", 0) for end in ("client", "server"))
    if not is_loopback(came_from[0]) or not is_loopback(came_to[0]):
        return "it comes from another machine"
    if (header := forwarding_header(connection.headers.keys())) is not None:
        return f"it has the header {header}, so it came through a proxy"
    if _OUR_OWN.match(connection.headers.get("user-agent", "")) or any(
        name in connection.headers for name in _DELIVERY
    ):
        return "it is a webhook or a download of this installation, whose URL a tenant chose"
    if not is_loopback(_host_of(connection.headers.get("host", ""))):
        return "its Host is not a loopback name"
    if connection.scope.get("http_version", "1.0") == "1.0":
        return "it is HTTP/1.0, as proxies send it"
    peer = connection.scope.get("state", {}).get(PEER) or Peer(tuple(came_from), tuple(came_to))
    if not await peer.is_our_user():
        return "it comes from a process of another user"
    return None


def forwarding_header(names: Iterable[str]) -> str | None:
    """The first header that only proxies add, in any case of letters; None if there is none."""
    return next((n for n in names if n.lower() in _FORWARDING or n.lower().startswith(_FORWARDING_BEGIN)), None)


def _host_of(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
