"""Work continues soon after a database outage of any length."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from urllib.parse import urlsplit

import pytest

from storage.database import Database, DatabaseUnavailable
from tests.waiting import wait_for

TRIES = 25
"""Before the outage ends. A pool that doubles its pauses without end makes some ten in `PATIENCE_S`."""


def pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_RDWR)


def connect_through(client: socket.socket, target: tuple[str, int]) -> None:
    with client, socket.create_connection(target) as server:
        there = threading.Thread(target=pump, args=(client, server))
        there.start()
        pump(server, client)
        there.join()


def forward(listener: socket.socket, target: tuple[str, int], through: list[threading.Thread]) -> None:
    """Hang up on `TRIES` connections, then forward all others to the target, until the listener is shut down."""
    with contextlib.suppress(OSError):
        for _ in range(TRIES):
            listener.accept()[0].close()
        while True:
            client, _ = listener.accept()
            through.append(threading.Thread(target=connect_through, args=(client, target)))
            through[-1].start()


def test_the_pool_reconnects_soon_after_an_outage(
    postgres_url: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.CRITICAL, "psycopg.pool")
    monkeypatch.setattr("storage.database.RECONNECT_S", 0.3)
    parts = urlsplit(postgres_url)
    assert parts.hostname is not None
    assert parts.port is not None
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        listener.listen(16)
        through: list[threading.Thread] = []
        forwarding = threading.Thread(target=forward, args=(listener, (parts.hostname, parts.port), through))
        forwarding.start()
        database = Database(postgres_url.replace(f":{parts.port}/", f":{port}/"), name="test", size=2, wait_s=0.5)
        with pytest.raises(DatabaseUnavailable), database.begin():
            pass

        def is_back() -> bool:
            with contextlib.suppress(DatabaseUnavailable), database.begin() as conn:
                return conn.execute("SELECT 1").fetchone() == (1,)
            return False

        wait_for("the pool is back", is_back)
        database.close()
        listener.shutdown(socket.SHUT_RDWR)
        for thread in (forwarding, *through):
            thread.join()
