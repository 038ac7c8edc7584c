"""A TCP door in front of a real server: it can look at what a client says first, speak TLS, and fall silent."""

from __future__ import annotations

import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from tests.waiting import PATIENCE_S

FirstWords = Callable[[socket.socket, bytes], bytes | None]
"""Sees the first bytes of a connection and gives what the server is to get; None: it answered, and there is more to
come; empty: the connection is closed."""


class Door:
    """Listens on loopback; every connection has a thread."""

    def __init__(self, target: tuple[str, int], first: FirstWords | None, tls: ssl.SSLContext | None) -> None:
        self._target, self._first, self._tls = target, first, tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.accepted = 0
        self._age = 0
        self._hangs = False
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._run(self._accept)

    def _run(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, daemon=True)
        self._threads.append(thread)
        thread.start()

    def freeze(self) -> None:
        """Swallow what is said on the connections there are, without closing them; new ones work."""
        self._age += 1

    def hang(self) -> None:
        """Swallow what is said on every connection, also on new ones, until `go_on`."""
        self._hangs = True
        self.freeze()

    def go_on(self) -> None:
        """Let new connections work again after `hang`, and reset the others, as a host does that was started again."""
        self._hangs = False
        for each in tuple(self._sockets):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.accepted += 1
                self._run(lambda client=client: self._serve(client))  # type: ignore[misc]  # mypy infers no default of a lambda

    def _serve(self, client: socket.socket) -> None:
        age = self._age
        self._sockets.add(client)
        try:
            with suppress(OSError, ValueError):  # the latter: closed while it waits
                if self._tls is not None:
                    client = self._tls.wrap_socket(client, server_side=True)
                    self._sockets.add(client)
                server = socket.create_connection(self._target)
                self._sockets.add(server)
                if self._first is not None and not self._greet(client, server):
                    return
                self._pass_on(client, server, age)
        finally:
            client.close()

    def _greet(self, client: socket.socket, server: socket.socket) -> bool:
        assert self._first is not None
        while data := client.recv(65536):
            answer = self._first(client, data)
            if answer is not None:
                server.sendall(answer)
                return bool(answer)
        return False

    def _pass_on(self, client: socket.socket, server: socket.socket, age: int) -> None:
        with server:
            while True:
                buffered = isinstance(client, ssl.SSLSocket) and client.pending()
                readable = [client] if buffered else select.select([client, server], [], [])[0]
                for source in readable:
                    data = source.recv(65536)
                    if not data:
                        return
                    if age == self._age and not self._hangs:
                        (server if source is client else client).sendall(data)

    def close(self) -> None:
        for each in (self._listener, *self._sockets):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self._threads:
            thread.join(10)


@contextmanager
def door(
    target: tuple[str, int], *, first: FirstWords | None = None, tls: ssl.SSLContext | None = None
) -> Iterator[Door]:
    """A door to a server."""
    made = Door(target, first, tls)
    try:
        yield made
    finally:
        made.close()


@dataclass(frozen=True, slots=True)
class HeldDoor:
    """`url`: of the server behind the door. `go_on`: set it to let requests through."""

    url: str
    go_on: threading.Event


@contextmanager
def held_door(url: str) -> Iterator[HeldDoor]:
    """A door to an HTTP server: connections are made at once, and the first request on each waits for `go_on`."""
    go_on = threading.Event()

    def hold(_client: socket.socket, data: bytes) -> bytes:
        go_on.wait(PATIENCE_S)
        return data

    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    with door((parts.hostname, parts.port), first=hold) as opened:
        try:
            yield HeldDoor(f"http://127.0.0.1:{opened.port}", go_on)
        finally:
            go_on.set()
