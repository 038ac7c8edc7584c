"""A pooler of PostgreSQL's connections that misbehaves as PgBouncer before 1.21 and Supavisor in transaction mode.

Each transaction gets the next of a few sessions of the server, so that nothing of a session survives: neither prepared
statements nor SET. The startup packet may hold no `options`. A client hears a process id that is no server's.
"""

from __future__ import annotations

import os
import queue
import select
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg

SESSIONS = 3
_SSL, _GSS, _CANCEL = 80877103, 80877104, 80877102
_REFUSED = b"SFATAL\0VFATAL\0C08P01\0Munsupported startup parameter: options\0\0"


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack(">I", len(body) + 4) + body


class _Stream:
    """Messages of the protocol on a socket."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection

    def exactly(self, size: int) -> bytes:
        found = b""
        while len(found) < size:
            more = self.socket.recv(size - len(found))
            if not more:
                raise ConnectionError
            found += more
        return found

    def message(self) -> bytes:
        head = self.exactly(5)
        return head + self.exactly(struct.unpack(">I", head[1:])[0] - 4)

    def startup(self) -> bytes:
        while True:
            size = struct.unpack(">I", self.exactly(4))[0]
            body = self.exactly(size - 4)
            code = struct.unpack(">I", body[:4])[0]
            if code in (_SSL, _GSS):
                self.socket.sendall(b"N")
            elif code == _CANCEL:
                raise ConnectionError
            else:
                return body[4:]


class Pooler:
    """Listens on loopback, in front of one database."""

    def __init__(self, url: str) -> None:
        self._sessions: queue.Queue[_Stream] = queue.Queue()
        self._holders = [psycopg.connect(url, autocommit=True) for _ in range(SESSIONS)]
        for holder in self._holders:
            self._sessions.put(_Stream(socket.socket(fileno=os.dup(holder.fileno()))))
            self._sessions.queue[-1].socket.setblocking(True)
        self._status = b"".join(
            _message(b"S", f"{name}\0{holder.info.parameter_status(name)}\0".encode())
            for name in ("server_version", "server_encoding", "client_encoding", "TimeZone", "DateStyle")
        )
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._clients: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self.port: int = self._listener.getsockname()[1]
        self._run(self._accept)

    def _run(self, work: object, *args: object) -> None:
        thread = threading.Thread(target=work, args=args, daemon=True)  # type: ignore[arg-type]  # a thread drops what it returns
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._clients.append(client)
                self._run(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError, ConnectionError), client:
            stream = _Stream(client)
            if b"options\0" in stream.startup():
                client.sendall(_message(b"E", _REFUSED))
                return
            client.sendall(_message(b"R", b"\0\0\0\0") + self._status + _message(b"K", b"\x7f\0\0\1\0\0\0\0"))
            client.sendall(_message(b"Z", b"I"))
            while self._transaction(stream):
                pass

    def _transaction(self, client: _Stream) -> bool:
        """Lend a session from the first message to the end of the transaction; False when the client goes."""
        request = client.message()
        if request[:1] == b"X":
            return False
        session = self._sessions.get()
        waiting = 0  # for a ReadyForQuery
        try:
            while True:
                session.socket.sendall(request)
                waiting += request[:1] in (b"Q", b"S")
                while session.socket in (ready := select.select([client.socket, session.socket], [], [])[0]):
                    answer = session.message()
                    client.socket.sendall(answer)
                    waiting -= answer[:1] == b"Z"
                    if not waiting and answer[:1] == b"Z" and answer[5:6] == b"I":
                        return True
                assert ready == [client.socket]
                request = client.message()
        finally:
            self._sessions.put(session)

    def prepared(self) -> int:
        """How many prepared statements lie in the server's sessions."""
        return sum(
            len(holder.execute("SELECT name FROM pg_prepared_statements").fetchall()) for holder in self._holders
        )

    def close(self) -> None:
        for each in (self._listener, *self._clients):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self._threads:
            thread.join(10)
        while not self._sessions.empty():
            self._sessions.get().socket.close()
        for holder in self._holders:
            holder.close()


@contextmanager
def transaction_pooler(url: str) -> Iterator[Pooler]:
    """A pooler in front of a database."""
    made = Pooler(url)
    try:
        yield made
    finally:
        made.close()
