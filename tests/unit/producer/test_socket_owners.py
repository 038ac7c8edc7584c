"""Whose socket it is, asked of Linux itself."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from producer.http.doors import peers, socket_owners
from producer.http.doors.peers import Peer, owner
from producer.http.doors.socket_owners import owner_of_socket

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has sock_diag")

Ends = tuple[tuple[str, int], tuple[str, int]]
IPV4, IPV6, MAPPED = ("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("127.0.0.1", "::ffff:127.0.0.1")
"""The server's address, and the one that the client connects to."""


@contextmanager
def connected(address: tuple[str, str]) -> Iterator[tuple[Ends, socket.socket]]:
    """Both ends of a connection as the server sees them, and the client's socket."""
    bound, target = address
    families = [socket.AF_INET6 if ":" in host else socket.AF_INET for host in address]
    with ExitStack() as stack:
        try:
            server = stack.enter_context(socket.create_server((bound, 0), family=families[0]))
        except OSError:
            pytest.skip(f"{bound} cannot be used here")
        client = stack.enter_context(socket.socket(families[1]))
        client.connect((target, server.getsockname()[1]))
        accepted = stack.enter_context(server.accept()[0])
        yield (accepted.getpeername()[:2], accepted.getsockname()[:2]), client


@pytest.mark.parametrize("address", [IPV4, IPV6, MAPPED])
def test_an_open_socket_has_the_owner_that_the_table_says(address: tuple[str, str]) -> None:
    with connected(address) as (ends, _):
        lines = [
            line
            for name in peers.TABLES
            if (table := Path("/proc/net", name)).exists()
            for line in table.read_text().splitlines()
        ]
        assert owner_of_socket(*ends) == owner(lines, *ends) == os.geteuid()


def test_a_closed_socket_has_no_owner() -> None:
    with connected(IPV4) as (ends, client):
        client.close()
        assert owner_of_socket(*ends) is None


def test_a_socket_that_listens_is_not_taken_for_its_client() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(OSError, match="no such socket"):
        owner_of_socket(server.getsockname(), ("127.0.0.1", 9))


def test_what_does_not_exist_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        owner_of_socket(("127.0.0.1", 1), ("127.0.0.1", 9))


@pytest.mark.parametrize("answer", [b"", bytes(100)])
def test_an_answer_that_makes_no_sense_is_an_error(answer: bytes) -> None:
    with pytest.raises(OSError, match=r"too short|no such socket"):
        socket_owners._read(answer, (1, 1, bytes(16), bytes(16)))


def test_a_peer_is_found_without_the_tables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(peers, "_PROC", tmp_path / "none")
    with connected(IPV4) as (ends, _):
        assert asyncio.run(Peer(*ends).is_our_user()) is True
        monkeypatch.setattr(os, "geteuid", lambda: 12_345)
        assert asyncio.run(Peer(*ends).is_our_user()) is False


def test_the_tables_are_read_where_linux_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError

    monkeypatch.setattr(peers, "owner_of_socket", refuse)
    with connected(MAPPED) as (ends, client):
        assert asyncio.run(Peer(*ends).is_our_user()) is True
        client.close()
        assert asyncio.run(Peer(*ends).is_our_user()) is False
