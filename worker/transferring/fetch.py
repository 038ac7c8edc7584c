"""GET a URL from a third party: only from public hosts, and every redirect is checked the same way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from ipaddress import ip_address

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from seedance.network import direct
from seedance.network.allowed import Network
from seedance.network.outbound import DIRECT, Outbound
from seedance.network.public_hosts import AddressNotPublic, Judge, PublicSessions
from seedance.network.sessions import failure_text
from seedance.network.urls import sendable
from seedance.network.wire import Wire
from seedance.public_addresses import is_public
from worker.transferring.own_origin import OwnOrigin

CONNECTIONS = 64
MAX_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_KEY_REFUSED = frozenset({400, 401, 403})
STALL_S = 30.0
"""A server that sends nothing for this long has stalled."""


class UrlRefused(Exception):
    """The URL is not valid, or no longer; ask the gateway for a fresh one."""


class UrlNotPublic(UrlRefused):
    """The URL leads to an address that is not public, directly or by a redirect."""


class LinkExpired(UrlRefused):
    """The link has expired; it was not tried."""


class DownloadFailed(Exception):
    """The file could not be read this time; a later try may succeed."""


class Fetcher:
    """Fetches from public addresses, and from the hosts that the operator configured. Use it on one event loop only."""

    def __init__(
        self,
        outbound: Outbound = DIRECT,
        *,
        allow_private: bool = False,
        allowed: Sequence[Network] = (),
        resolver: AbstractResolver | None = None,
        judge: Judge = is_public,
    ) -> None:
        self._sessions = PublicSessions(
            outbound,
            allow_private=allow_private,
            allowed=allowed,
            resolver=resolver,
            judge=judge,
            connections=CONNECTIONS,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=10.0, sock_read=STALL_S),
            auto_decompress=False,  # the reader decides by the bytes
            headers={"User-Agent": "reelq", "Accept-Encoding": "identity"},
        )

    async def get(self, url: str, headers: Mapping[str, str] | None = None, own: OwnOrigin | None = None) -> Wire:
        """The response to a GET with any status, its body unread; the caller closes it.

        A signed URL is sent exactly as given. `own`: the gateway that gave the URL. Its host may have any address if
        the operator configured it, and a link to it gets the account's key; what it redirects to gets neither.

        Raises:
            UrlNotPublic: an address on the way is not public.
            UrlRefused: not an http(s) URL, or a redirect to another scheme or from https to http.
            DownloadFailed: no response, or too many redirects.
        """
        target = _parsed(url)
        trusted_host = own.trusted_host if own is not None else None
        key = own.headers_for(target) if own is not None else {}
        for _ in range(MAX_REDIRECTS + 1):
            response = await self._get(target, {**(headers or {}), **key}, trusted_host)
            if key and response.status in _KEY_REFUSED:
                # Not every gateway wants its key with a file; a store behind the same name refuses any key.
                response.close()
                response = await self._get(target, headers, trusted_host)
            location = response.headers.get("location")
            if response.status not in _REDIRECTS or location is None:
                return response
            response.close()
            target, key = next_hop(target, location), {}
        raise DownloadFailed(f"more than {MAX_REDIRECTS} redirects")

    async def _get(self, url: URL, headers: Mapping[str, str] | None, trusted_host: str | None) -> Wire:
        trusted = _same_host(url.host, trusted_host)
        try:
            session = self._sessions.for_url(url, trusted=trusted)
            return await direct.request(session, "GET", url, headers)
        except AddressNotPublic as exc:
            raise UrlNotPublic(str(exc)) from exc
        except aiohttp.InvalidURL as exc:
            # These include 127.1, 2130706433 and other odd spellings of an address: refuse them, do not guess.
            raise (UrlRefused if trusted else UrlNotPublic)(f"cannot be fetched: {exc}") from exc
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as exc:
            raise DownloadFailed(failure_text(exc)) from exc

    async def close(self) -> None:
        """Close all connections."""
        await self._sessions.close()


def _parsed(text: str) -> URL:
    try:
        url = sendable(text)
        if url.scheme in ("http", "https") and url.host:
            return url
    except ValueError as exc:
        raise UrlRefused("is not a URL") from exc
    raise UrlRefused("is not an http(s) URL")


def next_hop(source: URL, location: str) -> URL:
    """The target of a redirect from `source`.

    Raises:
        UrlRefused: not an http(s) URL, or a redirect from https to http.
    """
    try:
        target = source.join(sendable(location))
    except ValueError as exc:
        raise UrlRefused("redirects to something that is not a URL") from exc
    if target.scheme not in ("http", "https") or not target.host:
        raise UrlRefused(f"redirects to {target.scheme or 'no'} instead of http(s)")
    if source.scheme == "https" and target.scheme == "http":
        raise UrlRefused("redirects from https to http")
    return target


def _same_host(one: str | None, other: str | None) -> bool:
    return one is not None and other is not None and _canonical(one) == _canonical(other)


@lru_cache(maxsize=1024)
def _canonical(host: str) -> str:
    """One spelling for a host; `localhost` and the loopback addresses are one machine."""
    name = host.rstrip(".").lower()
    try:
        return "localhost" if ip_address(name).is_loopback else name
    except ValueError:
        return name
