"""What has come on a kept connection, and was not noticed yet, is not the response to the next request."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from seedance.network import direct
from seedance.network.sessions import Connector
from tests.certificates import make_certificates
from tests.waiting import PATIENCE_S

MINE, OTHER = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmine", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother"


class Server:
    """Answers one request on each connection; on the first one something more happens when it is told to go on."""

    def __init__(self, after: Callable[[socket.socket], None], tls: ssl.SSLContext | None) -> None:
        self._after, self._tls = after, tls
        self.go_on, self.done, self.ended = threading.Event(), threading.Event(), threading.Event()
        self.requests = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.settimeout(PATIENCE_S)
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with self._answered() as connection:
            self.go_on.wait(PATIENCE_S)
            self._after(connection)
            self.done.set()
            with self._answered():
                self.ended.wait(PATIENCE_S)

    @contextmanager
    def _answered(self) -> Iterator[socket.socket]:
        connection = self._socket.accept()[0]
        with connection if self._tls is None else self._tls.wrap_socket(connection, server_side=True) as connection:
            received = b""
            while not received.endswith(b"\r\n\r\n"):
                received += connection.recv(4096)
            self.requests += 1
            connection.sendall(MINE)
            yield connection

    def close(self) -> None:
        self.ended.set()
        with suppress(OSError):  # where it still waits for a connection
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(PATIENCE_S)
        self._socket.close()


@pytest.mark.parametrize("after", [lambda connection: connection.sendall(OTHER), lambda connection: connection.close()])
@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize("secure", [False, True])
def test_a_kept_connection_with_something_unread_is_not_used(
    tmp_path: Path, after: Callable[[socket.socket], None], method: str, *, secure: bool
) -> None:
    certificates = make_certificates(tmp_path) if secure else None
    server = Server(after, certificates.server() if certificates is not None else None)
    url = URL(f"{'https' if secure else 'http'}://127.0.0.1:{server.port}/")

    async def ask(session: aiohttp.ClientSession) -> bytes:
        wire = await direct.request(session, method, url)
        try:
            return await wire.read(100)
        finally:
            wire.close()

    async def run() -> None:
        connector = Connector(ssl=False)
        async with aiohttp.ClientSession(connector=connector) as session, asyncio.timeout(PATIENCE_S):
            assert await ask(session) == b"mine"
            server.go_on.set()
            assert server.done.wait(PATIENCE_S), "the loop sees nothing of it"
            assert await ask(session) == b"mine"

    try:
        asyncio.run(run())
    finally:
        server.close()
    assert server.requests == 2
