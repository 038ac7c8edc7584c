"""A forward proxy on loopback that knows where names lead: CONNECT, and absolute URLs over plain HTTP."""

from __future__ import annotations

import base64
import http.client
import select
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


class _Handler(BaseHTTPRequestHandler):
    """One connection of a client; `proxy` is set by the class that is made for each proxy."""

    protocol_version = "HTTP/1.1"
    proxy: ForwardProxy

    def log_message(self, *_: object) -> None:
        pass

    def _may(self, host: str) -> bool:
        self.proxy.asked.append((self.command, host))
        login = self.proxy.login
        wanted = None if login is None else f"Basic {base64.b64encode(login.encode()).decode()}"
        if wanted is not None and self.headers.get("Proxy-Authorization") != wanted:
            self.send_error(407)
        elif host not in self.proxy.names:
            self.send_error(self.proxy.refusal)
        else:
            return True
        return False

    def do_CONNECT(self) -> None:
        host = self.path.rpartition(":")[0].strip("[]")
        self.close_connection = True
        if not self._may(host):
            return
        with socket.create_connection(self.proxy.names[host]) as server, suppress(OSError):
            self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
            self.wfile.flush()
            _pass_on(self.connection, server)

    def _forward(self) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if not self._may(parts.hostname or ""):
            return
        connection = http.client.HTTPConnection(*self.proxy.names[parts.hostname or ""], timeout=60)
        target = parts._replace(scheme="", netloc="").geturl()
        connection.putrequest(self.command, target, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if not name.lower().startswith("proxy-"):
                connection.putheader(name, value)
        connection.endheaders(body)
        self._answer(connection.getresponse())
        connection.close()

    def _answer(self, answer: http.client.HTTPResponse) -> None:
        content = answer.read()
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _forward


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        pass


class ForwardProxy:
    """`names`: where each host name leads, (address, port); other names are refused with `refusal`.

    `login`: the user and password that it wants, with a colon between.
    """

    def __init__(
        self, names: Mapping[str, tuple[str, int]], refusal: int, login: str | None, tls: ssl.SSLContext | None
    ) -> None:
        self.names, self.refusal, self.login = names, refusal, login
        self.asked: list[tuple[str, str]] = []
        """The method and host of each request."""
        self._server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"proxy": self}))
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.port: int = self._server.server_address[1]
        self.url = f"http{'s' if tls is not None else ''}://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def hosts(self) -> set[str]:
        """The hosts that it was asked for."""
        return {host for _, host in self.asked}

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _pass_on(client: socket.socket, server: socket.socket) -> None:
    while True:
        buffered = isinstance(client, ssl.SSLSocket) and client.pending()
        for source in [client] if buffered else select.select([client, server], [], [], 60)[0]:
            data = source.recv(65536)
            if not data:
                return
            (server if source is client else client).sendall(data)


@contextmanager
def forward_proxy(
    names: Mapping[str, tuple[str, int]],
    *,
    refusal: int = 502,
    login: str | None = None,
    tls: ssl.SSLContext | None = None,
) -> Iterator[ForwardProxy]:
    """A running proxy."""
    proxy = ForwardProxy(names, refusal, login, tls)
    try:
        yield proxy
    finally:
        proxy.close()
