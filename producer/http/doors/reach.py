"""Whether the client of a request can reach the object store itself, so that a link to it is of use.

A store's name in a Compose file or a cluster means nothing outside of it, and a private address little. In case of
doubt the API sends the file itself, which always works.
"""

from __future__ import annotations

import asyncio
import socket
import time
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.requests import Request

from seedance.public_addresses import is_public
from storage.addresses.own import is_loopback
from storage.bucket.requests import Requests
from storage.settings import Settings

KNOWN_S = 60.0
LOOK_UP_S = 2.0


class StoreReach:
    """One per process. Use it on the event loop."""

    def __init__(self, settings: Settings, requests: Requests) -> None:
        self._settings = settings
        self._requests = requests
        self._known: dict[str, tuple[float, bool]] = {}

    async def links_work(self, request: Request) -> bool:
        """Whether links to the store can be given to this client."""
        if self._settings.s3_public_endpoint_url is not None or self._settings.s3_endpoint_url is None:
            return True
        store = urlsplit(self._requests.link_origin)
        host, here = store.hostname or "", request.url.hostname or ""
        if request.url.scheme == "https" and store.scheme == "http":
            return False  # a browser does not load it in a page that came by https
        if host == here or (is_loopback(host) and is_loopback(here)):
            return True
        try:
            ip_address(host)
        except ValueError:
            return await self._leads_to_public_addresses(host)
        return is_public(host)

    async def _leads_to_public_addresses(self, host: str) -> bool:
        until, public = self._known.get(host, (0.0, False))
        if time.monotonic() < until:
            return public
        try:
            async with asyncio.timeout(LOOK_UP_S):
                found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
            public = bool(found) and all(is_public(str(address[0])) for *_, address in found)
        except (OSError, TimeoutError, UnicodeError):
            public = False
        self._known[host] = (time.monotonic() + KNOWN_S, public)
        return public
