"""Requests over the connections of an aiohttp session: without aiohttp's own cost of each request.

The session's connector makes the connections, so proxies, TLS, checks of addresses, limits and keep-alive are the
session's. What is sent is the same, too: its usual headers, and the proxy's login where a proxy forwards plain HTTP.

A request has two steps. First there is a connection, or `NotConnected` is raised. Then a `Wire` has it, and only a wire
writes: so `NotConnected` proves that no byte of the request was sent, and any other failure proves nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from weakref import WeakKeyDictionary

import aiohttp
from aiohttp.connector import Connection
from yarl import URL

from seedance.network.http_messages import MOST_HEAD_BYTES, header_lines, write_head
from seedance.network.sessions import Connector, NotConnected
from seedance.network.time_limits import TimeLimits
from seedance.network.waits import Waits
from seedance.network.wire import Wire

_MOST_ORIGINS = 256
_REPEATABLE = frozenset({"GET", "HEAD", "PUT", "DELETE"})
Pieces = Callable[[], Iterable[bytes | memoryview]]


class _Origin:
    """What all requests of a session to one origin share."""

    def __init__(self, session: aiohttp.ClientSession, url: URL) -> None:
        make = session._request_class
        # Without the session, which would keep itself alive through it.
        self.request = make("GET", url.origin(), headers=session.headers, loop=asyncio.get_running_loop())
        self.usual = {name.lower(): value for name, value in self.request.headers.items()}
        self.usual_lines = header_lines(self.usual)
        is_forwarded = self.request.proxy is not None and url.scheme == "http"
        self.before_path = str(url.origin()) if is_forwarded else ""
        self.waits = Waits()


_ORIGINS: WeakKeyDictionary[aiohttp.ClientSession, dict[tuple[str, str | None, int | None], _Origin]] = (
    WeakKeyDictionary()
)


async def request(
    session: aiohttp.ClientSession,
    method: str,
    url: URL,
    headers: Mapping[str, str] | None = None,
    pieces: Pieces | None = None,
    *,
    path: str | None = None,
    connecting: TimeLimits | None = None,
    most_head_bytes: int = MOST_HEAD_BYTES,
) -> Wire:
    """Send a request and return the exchange with the head of the response; the caller closes it. Redirects are not
    followed. A request that does no harm twice is sent again if its connection was closed before a response began, as
    kept ones may be.

    `pieces`: the body, which may be asked for twice; its length is in `headers`. `path`: percent-encoded, with a query,
    in place of the URL's; for many requests to one origin, because a URL takes longer to build than to send.
    `connecting`: limits the wait for a connection, a free one included. `most_head_bytes`: of the response's head.

    Raises:
        NotConnected: there was no connection, so nothing was sent.
        aiohttp.ClientError, OSError, TimeoutError: no response; the request may have been received.
        ValueError: the URL or a header cannot be sent.
    """
    origins = _ORIGINS.setdefault(session, {})
    name = (url.scheme, url.raw_host, url.port)
    if (origin := origins.get(name)) is None:
        if len(origins) >= _MOST_ORIGINS:
            origins.clear()
        origin = origins[name] = _Origin(session, url)
    head = _head(origin, method, url, headers or {}, url.raw_path_qs if path is None else path)
    may_repeat = method in _REPEATABLE
    while True:
        connection = await _connect(session, origin, connecting)
        wire = Wire(connection, method, origin.waits, session.timeout.sock_read, most_head_bytes)
        try:
            await wire.exchange(head, pieces() if pieces is not None else ())
            return wire
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as exc:
            wire.close()
            if not may_repeat or wire.has_begun or isinstance(exc, TimeoutError):
                raise
            may_repeat = False
        except BaseException:
            wire.close()
            raise


async def _connect(session: aiohttp.ClientSession, origin: _Origin, limits: TimeLimits | None) -> Connection:
    """A connection, new or kept.

    Raises:
        NotConnected: there is none. NoFreeConnection: because others have all that there may be.
    """
    connector = session.connector
    if connector is None:
        raise RuntimeError("the session is closed")
    try:
        with limits.start() if limits is not None else nullcontext():
            return await connector.connect(origin.request, [], session.timeout)
    except TimeoutError as exc:
        if isinstance(connector, Connector):
            connector.check_waiting()
        raise NotConnected(f"no connection to {origin.request.url} in time") from exc


def _head(origin: _Origin, method: str, url: URL, headers: Mapping[str, str], path: str) -> bytes:
    mine = {name.lower(): value for name, value in headers.items()}
    if url.raw_user is not None or url.raw_password is not None:
        login = aiohttp.BasicAuth.from_url(url)
        mine.setdefault("authorization", "" if login is None else login.encode())
    if mine.keys().isdisjoint(origin.usual):
        lines = origin.usual_lines + header_lines(mine)
    else:
        lines = header_lines({**origin.usual, **mine})
    return write_head(f"{method} {origin.before_path}{path} HTTP/1.1", lines)
