"""aiohttp sessions that go the configured way, and one class for "the connection was never made".

Making a connection includes the proxy's CONNECT and both TLS handshakes. Whatever fails in that time has sent nothing
of the request, even if the exception is one that aiohttp also raises later: a proxy that closes the connection, answers
with garbage, or refuses with 502.
"""

from __future__ import annotations

import asyncio
import base64
import os
import select
import socket
import ssl
import struct
from contextlib import suppress
from typing import Any
from weakref import WeakSet

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from seedance.boot_clock import boottime_s
from seedance.errors import redact
from seedance.network.http_messages import NotHttp
from seedance.network.outbound import Outbound
from seedance.network.proxies import Proxies
from seedance.network.tls_records import has_part_of_record, watch_records


class NotConnected(aiohttp.ClientConnectionError):
    """There is no connection, so no byte of the request was sent."""


class NoFreeConnection(NotConnected):
    """All connections that there may be were in use for too long. It says nothing about the other side."""


def is_readable(transport: asyncio.BaseTransport) -> bool:
    """Whether bytes, or the end of the connection, have come that the loop has not seen yet."""
    look = select.poll()
    look.register(transport.get_extra_info("socket"), select.POLLIN)
    return bool(look.poll(0))


def set_option(transport: asyncio.BaseTransport, option: int, value: int | bytes) -> None:
    """Set an option of a connection's socket, unless the connection has ended: then it has none under TLS."""
    connected: socket.socket | None = transport.get_extra_info("socket")
    if connected is not None:
        with suppress(OSError):  # it is closed
            connected.setsockopt(socket.SOL_SOCKET, option, value)


def unsent_bytes(transport: asyncio.Transport) -> int:
    """The bytes that the kernel has not taken yet. Those that TLS has encrypted wait in the transport below it."""
    below = getattr(getattr(transport, "_ssl_protocol", None), "_transport", None)
    return transport.get_write_buffer_size() + (0 if below is None else unsent_bytes(below))


def forget_unsent(transport: asyncio.BaseTransport) -> None:
    """Let the kernel forget at the end of a connection what it has not sent: it would go on for minutes, and the other
    side would begin what counts as never begun by then."""
    set_option(transport, socket.SO_LINGER, struct.pack("ii", 1, 0))  # at once


class Connector(aiohttp.TCPConnector):
    """A TCPConnector that raises `NotConnected` for each failure to connect, and uses no kept connection that has ended
    or on which more came than the responses to its requests: that would be taken for the response to the next one. It
    waits for a proxy's CONNECT no longer than twice `sock_connect`, which aiohttp does not apply to it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._used: WeakSet[ResponseHandler] = WeakSet()
        """The connections that were given to a request. A new one may be readable: TLS has messages of its own."""
        self._waiting: WeakSet[asyncio.Task[Any]] = WeakSet()
        """Tasks that had to wait for a connection of others in their latest `connect`."""

    async def connect(self, req: aiohttp.ClientRequest, *args: Any, **options: Any) -> Any:
        """As aiohttp's. A time limit stays a TimeoutError, from which aiohttp makes its own class. It does not count
        the time for which the machine is stopped, after which a request may not be wanted any more.

        Raises:
            NoFreeConnection: the time limit ended, and it had waited for those of others: what was left of it may have
                been too short to make one.
            NotConnected: there is no connection, it took longer, or the other side of a new one did not wait for a
                request.
        """
        timeout: aiohttp.ClientTimeout = options.get("timeout") or args[-1]
        limit_s = timeout.connect
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - this is a coroutine
        self._waiting.discard(task)
        try:
            while True:
                began = boottime_s()
                connection = await super().connect(req, *args, **options)
                if limit_s is not None and boottime_s() - began > limit_s + 1.0:  # aiohttp waits for whole seconds
                    connection.close()
                    raise NotConnected("this machine was stopped while it connected")
                is_new = connection.protocol not in self._used
                if not self._is_stale(connection.protocol):
                    return connection
                connection.close()
                if is_new:  # so may be the next one, and the one after it
                    raise NotConnected("the other side ended the connection, or spoke, before it was asked anything")
        except aiohttp.InvalidURL:
            raise
        except (aiohttp.ClientError, OSError) as exc:
            if isinstance(exc, TimeoutError) and not isinstance(exc, aiohttp.ClientError):
                self.check_waiting()
                raise
            raise NotConnected(_explained(exc, req)) from exc

    async def _wait_for_available_connection(self, *args: Any) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - this is a coroutine
        self._waiting.add(task)
        await super()._wait_for_available_connection(*args)

    def check_waiting(self) -> None:
        """Call this after a time limit of `connect`.

        Raises:
            NoFreeConnection: the current task had to wait for a connection of others.
        """
        if asyncio.current_task() in self._waiting:
            raise NoFreeConnection(f"all {self.limit} connections were in use")

    def _is_stale(self, inner: ResponseHandler | None) -> bool:
        """Whether a connection cannot be used, also if the loop has not noticed yet."""
        if inner is None:
            return False
        if inner not in self._used:
            self._used.add(inner)
            watch_records(inner.transport)
            return inner.should_close
        transport = inner.transport
        if inner.should_close or transport is None or transport.is_closing():
            return True
        return is_readable(transport) or has_part_of_record(transport)

    def _release(self, key: ConnectionKey, protocol: ResponseHandler, *, should_close: bool = False) -> None:
        """As aiohttp's, but nothing more is sent on a connection whose request was given up, or was answered before the
        other side had taken it: that one may hang up."""
        transport = protocol.transport
        if isinstance(transport, asyncio.Transport) and not transport.is_closing():
            should_close = should_close or unsent_bytes(transport) > 0
            if should_close:
                forget_unsent(transport)
                transport.abort()
        super()._release(key, protocol, should_close=should_close)

    async def _create_proxy_connection(self, req: aiohttp.ClientRequest, *args: Any, **options: Any) -> Any:
        timeout: aiohttp.ClientTimeout = options.get("timeout") or args[-1]
        limit_s = None if timeout.sock_connect is None else 2 * timeout.sock_connect
        limit = asyncio.timeout(limit_s)
        try:
            async with limit:
                return await super()._create_proxy_connection(req, *args, **options)
        except TimeoutError as exc:
            if not limit.expired():
                raise
            raise aiohttp.ServerTimeoutError(f"it did not answer within {limit_s:g} s") from exc


def failure_text(exc: BaseException) -> str:
    """An exception of a request, as one line for people."""
    if isinstance(exc, NotConnected):
        return str(exc)
    if isinstance(exc, NotHttp):
        return f"the response is not valid HTTP ({exc})"
    if isinstance(exc, aiohttp.ClientResponseError) and isinstance(exc.__cause__, HttpProcessingError):
        # aiohttp reports what it cannot read as a status 400, which no server sent, with the bytes on further lines.
        what = next(iter(exc.message.splitlines()), "").rstrip(":")
        return f"the response is not valid HTTP ({what or 'it cannot be read'})"
    if isinstance(exc, aiohttp.ClientConnectorDNSError):
        return f"the name {exc.host} cannot be resolved: {_os_words(exc.os_error)}"
    if isinstance(exc, aiohttp.ClientConnectorError):
        return f"cannot connect to {exc.host}:{exc.port}: {_os_words(exc.os_error)}"
    return f"{type(exc).__name__}: {exc}" if str(exc) else type(exc).__name__


def _os_words(error: OSError) -> str:
    """Why a connection was not made. asyncio writes the address in place of the system's own words."""
    if isinstance(error, ssl.SSLError):
        reason = getattr(error, "reason", None)  # OpenSSL's errors have one
        return f"TLS: {reason.replace('_', ' ').lower() if reason else error}"
    if error.errno and not isinstance(error, socket.gaierror):  # whose numbers are of another list
        return os.strerror(error.errno).lower()
    if words := error.strerror or str(error):
        return words
    return "connection closed by the other side" if isinstance(error, ConnectionError) else type(error).__name__


def open_session(outbound: Outbound, connector: Connector | None = None, **options: Any) -> aiohttp.ClientSession:
    """A session on the running loop, without cookies; each of its requests goes through the proxy for its URL.

    `connector`: one made by `open_connector`; None: the usual one. `options` are ClientSession's.
    """
    return aiohttp.ClientSession(
        connector=connector or open_connector(outbound),
        cookie_jar=aiohttp.DummyCookieJar(),
        request_class=_request_class(outbound.proxies),
        **options,
    )


def open_connector(outbound: Outbound, **options: Any) -> Connector:
    """A connector that trusts the configured authorities; `options` are TCPConnector's."""
    return Connector(ssl=outbound.authorities.context(), **options)


def _request_class(proxies: Proxies) -> type[aiohttp.ClientRequest]:
    class Request(aiohttp.ClientRequest):
        """A request that knows its proxy, so that no caller can forget it."""

        def __init__(self, method: str, url: URL, **options: Any) -> None:
            proxy = proxies.of(str(url))
            login = {} if proxy is None or proxy.username is None else _login(proxy.username, proxy.password)
            if proxy is not None:
                options |= {"proxy": URL(proxy.url), "proxy_headers": login}
            super().__init__(method, url, **options)
            if url.scheme == "http":  # there is no CONNECT that could carry it
                self.headers.update(login)

    return Request


def _login(username: str, password: str) -> dict[str, str]:
    encoded = base64.b64encode(f"{username}:{password}".encode()).decode()
    return {"Proxy-Authorization": f"Basic {encoded}"}


def _explained(exc: Exception, req: aiohttp.ClientRequest) -> str:
    host = f"{req.url.host}:{req.url.port}"
    verification = _verification(exc)
    if verification is not None:
        key: ConnectionKey | None = getattr(exc, "_conn_key", None)
        who = host if key is None else f"{key.host}:{key.port}"
        return (
            f"the certificate of {who} cannot be verified ({verification}); "
            "name the file of the authority that signed it in ca_file"
        )
    if req.proxy is None:
        return failure_text(exc)
    proxy = f"the proxy {req.proxy.scheme}://{req.proxy.host}:{req.proxy.port}"
    if isinstance(exc, aiohttp.ClientHttpProxyError):
        advice = "; check the user and password of the proxy" if exc.status == 407 else ""
        return f"{proxy} refuses to connect to {host}: HTTP {exc.status} {redact(exc.message)[:200]}{advice}"
    if isinstance(exc, aiohttp.ClientProxyConnectionError):
        return f"{proxy} cannot be reached: {_os_words(exc.os_error)}"
    return f"{proxy} gave no connection to {host}: {failure_text(exc)}"


def _verification(exc: BaseException | None) -> str | None:
    """Why a certificate was refused; None if that is not what failed."""
    while exc is not None:
        reason = getattr(exc, "certificate_error", exc)
        if isinstance(reason, ssl.SSLCertVerificationError):
            return reason.verify_message
        if isinstance(reason, ssl.CertificateError):
            return str(reason)
        exc = exc.__cause__
    return None
