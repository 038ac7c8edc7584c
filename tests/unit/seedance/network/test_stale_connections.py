"""What has come on a kept connection, and was not noticed yet, is not the response to the next request."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import aiohttp
import pytest
from yarl import URL

from seedance.network import direct
from seedance.network.sessions import Connector, NotConnected
from tests.certificates import make_certificates
from tests.waiting import PATIENCE_S

T = TypeVar("T")
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


class _TlsInBytes:
    """The server's side of a TLS connection whose records are sent as the test wants."""

    def __init__(self, connection: socket.socket, tls: ssl.SSLContext) -> None:
        self.connection = connection
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = tls.wrap_bio(self._incoming, self._outgoing, server_side=True)

    def answer(self) -> None:
        """Receive a request and answer it."""
        received = b""
        self._run(self._tls.do_handshake)
        while not received.endswith(b"\r\n\r\n"):
            received += self._run(self._tls.read)
        self.connection.sendall(self.record(MINE))

    def speak_first(self) -> None:
        """Send a response together with the end of the handshake, as TLS 1.2 allows."""

        def step() -> None:
            self._tls.do_handshake()
            self._tls.write(MINE)

        self._run(step)

    def record(self, data: bytes) -> bytes:
        """The bytes as they are sent."""
        self._tls.write(data)
        return self._outgoing.read()

    def _run(self, step: Callable[[], T]) -> T:
        while True:
            try:
                return step()
            except ssl.SSLWantReadError:
                self.connection.sendall(self._outgoing.read())
                self._incoming.write(self.connection.recv(65536))
            finally:
                self.connection.sendall(self._outgoing.read())


def test_a_kept_tls_connection_with_the_beginning_of_a_record_is_not_used(tmp_path: Path) -> None:
    """The loop has taken the beginning from the socket and cannot read it yet; the rest comes after the request."""
    tls, go_on, done = make_certificates(tmp_path).server(), threading.Event(), threading.Event()
    requests: list[_TlsInBytes] = []

    def serve(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            server = _TlsInBytes(connection, tls)
            server.answer()
            requests.append(server)
            if len(requests) == 1:
                go_on.wait(PATIENCE_S)
                late = server.record(OTHER)
                connection.sendall(late[:-5])
                done.set()
                if connection.recv(65536):
                    connection.sendall(late[-5:])
            connection.recv(65536)

    def accept(listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    async def ask(session: aiohttp.ClientSession, url: URL) -> bytes:
        wire = await direct.request(session, "POST", url)
        try:
            return await wire.read(100)
        finally:
            wire.close()

    async def run(url: URL) -> None:
        async with aiohttp.ClientSession(connector=Connector(ssl=False)) as session, asyncio.timeout(PATIENCE_S):
            assert await ask(session, url) == b"mine"
            go_on.set()
            await asyncio.to_thread(done.wait, PATIENCE_S)
            await asyncio.sleep(0.2)  # the loop takes it
            assert await ask(session, url) == b"mine"

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, args=(listener,), daemon=True).start()
        asyncio.run(run(URL(f"https://127.0.0.1:{listener.getsockname()[1]}/")))
    assert len(requests) == 2


def test_a_server_that_speaks_before_it_is_asked_is_connected_to_once(tmp_path: Path) -> None:
    """Each new connection to it is as useless as the first one."""
    tls, connections = make_certificates(tmp_path).server(), 0
    tls.maximum_version = ssl.TLSVersion.TLSv1_2

    def serve(listener: socket.socket) -> None:
        nonlocal connections
        with suppress(OSError):
            while True:
                with listener.accept()[0] as connection, suppress(OSError):
                    connections += 1
                    _TlsInBytes(connection, tls).speak_first()
                    connection.recv(1)

    async def run(url: URL) -> None:
        async with aiohttp.ClientSession(connector=Connector(ssl=False)) as session, asyncio.timeout(PATIENCE_S):
            with pytest.raises(NotConnected, match="before it was asked"):
                await direct.request(session, "GET", url)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        asyncio.run(run(URL(f"https://127.0.0.1:{listener.getsockname()[1]}/")))
    assert connections == 1
