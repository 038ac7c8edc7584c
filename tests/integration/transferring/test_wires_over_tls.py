"""Exchanges on TLS connections, of which asyncio forgets more when they end."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import struct
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from seedance.network import direct
from seedance.network.outbound import read_outbound
from seedance.network.sessions import open_connector, open_session
from seedance.network.wire import SPILL_BYTES
from tests.certificates import make_certificates


@pytest.mark.parametrize("says_goodbye", [False, True])
def test_the_end_of_a_body_over_tls_is_kept_for_a_slow_reader(tmp_path: Path, says_goodbye: bool) -> None:
    """asyncio forgets what it has decrypted when the connection ends."""
    body, certificates = os.urandom(300_000), make_certificates(tmp_path)

    def serve(listener: socket.socket) -> None:
        accepted, _ = listener.accept()
        with certificates.server().wrap_socket(accepted, server_side=True) as connection:
            connection.recv(4096)
            connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            connection.setblocking(False)
            if says_goodbye:
                with suppress(ssl.SSLError):  # it does not wait for the other side's
                    connection.unwrap()

    async def run() -> None:
        outbound = read_outbound({}, None, str(certificates.authority))
        with socket.create_server(("127.0.0.1", 0)) as listener:
            serving = asyncio.create_task(asyncio.to_thread(serve, listener))
            async with open_session(outbound) as session, asyncio.timeout(30):
                url = URL(f"https://127.0.0.1:{listener.getsockname()[1]}/")
                response, received = await direct.request(session, "GET", url), b""
                await serving
                while response.left:
                    await asyncio.sleep(0.05)
                    received += await response.read_some()
                assert received == body

    asyncio.run(run())


def test_a_body_over_tls_that_is_cut_while_nothing_waits_for_it_fails_as_one(tmp_path: Path) -> None:
    """A download goes on where such a body broke off; after any other error it would begin again."""
    piece, sent, certificates = SPILL_BYTES, os.urandom(300 * SPILL_BYTES), make_certificates(tmp_path)
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {2 * len(sent)}\r\nX-Padding: ".encode()
    head += b"x" * (piece - len(head) - 4) + b"\r\n\r\n"  # so that pieces end where the wire's store does

    def serve(listener: socket.socket) -> None:
        accepted, _ = listener.accept()
        with certificates.server().wrap_socket(accepted, server_side=True) as connection:
            connection.recv(4096)
            connection.sendall(head + sent)
            connection.setblocking(False)
            with suppress(ssl.SSLError):
                connection.unwrap()

    async def run() -> None:
        outbound, received = read_outbound({}, None, str(certificates.authority)), b""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            serving = asyncio.create_task(asyncio.to_thread(serve, listener))
            async with open_session(outbound) as session, asyncio.timeout(30):
                url = URL(f"https://127.0.0.1:{listener.getsockname()[1]}/")
                response = await direct.request(session, "GET", url)
                await serving
                while len(received) < len(sent):
                    received += await response.receive(memoryview(bytearray(piece)))
                    await asyncio.sleep(0.005)
                with pytest.raises(aiohttp.ClientPayloadError):
                    await response.receive(memoryview(bytearray(piece)))
                response.close()
        assert received == sent

    asyncio.run(run())


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n" + b"x" * 1_000_000])
def test_a_reset_over_tls_fails_as_one_and_gives_its_place_back(tmp_path: Path, sent: bytes) -> None:
    """A TLS connection that has ended has no socket any more."""
    certificates = make_certificates(tmp_path)

    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(sent)
        await writer.drain()
        await asyncio.sleep(0.2)
        connected: socket.socket = writer.get_extra_info("socket")
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async def receive(session: aiohttp.ClientSession, url: URL) -> None:
        response = await direct.request(session, "POST", url)
        try:
            while response.left:
                await asyncio.sleep(0.5)
                await response.receive(memoryview(bytearray(700_000)))
        finally:
            response.close()

    async def run() -> None:
        server = await asyncio.start_server(reset, "127.0.0.1", 0, ssl=certificates.server())
        outbound = read_outbound({}, None, str(certificates.authority))
        connector = open_connector(outbound, limit=1)
        async with open_session(outbound, connector) as session, asyncio.timeout(30):
            for _ in range(2):
                with pytest.raises(aiohttp.ClientOSError):
                    await receive(session, URL(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"))
        server.close()

    asyncio.run(run())
