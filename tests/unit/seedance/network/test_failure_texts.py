"""Why no connection was made, in the words that people read in lists of webhooks and attempts."""

from __future__ import annotations

import asyncio
import socket

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey

from seedance.network.outbound import DIRECT, Outbound, read_outbound
from seedance.network.sessions import NotConnected, failure_text, open_session
from tests.ports import reserve_port


async def failure_of(url: str, outbound: Outbound = DIRECT) -> str:
    async with open_session(outbound) as session:
        with pytest.raises(NotConnected) as failed:
            await session.get(url)
    return failure_text(failed.value)


def test_a_port_without_a_server_is_named_with_the_words_of_the_system() -> None:
    """Seen: `ClientConnectorError: Cannot connect to host … ssl:default [Connect call failed (…)]`, also for HTTP."""
    port = reserve_port()
    said = asyncio.run(failure_of(f"http://127.0.0.1:{port}/"))
    assert said == f"cannot connect to 127.0.0.1:{port}: connection refused"


def test_a_server_without_tls_is_named_with_the_reason_of_openssl() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async def run() -> tuple[str, int]:
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            port: int = server.sockets[0].getsockname()[1]
            return await failure_of(f"https://127.0.0.1:{port}/"), port

    said, port = asyncio.run(run())
    assert said.startswith(f"cannot connect to 127.0.0.1:{port}: TLS: ")
    assert "_ssl.c" not in said


def test_a_server_that_hangs_up_during_the_handshake_is_named_so() -> None:
    """Seen: `cannot connect to 127.0.0.1:443: ` and no reason."""

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65536)
        writer.close()

    async def run() -> tuple[str, int]:
        async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
            port: int = server.sockets[0].getsockname()[1]
            return await failure_of(f"https://127.0.0.1:{port}/"), port

    said, port = asyncio.run(run())
    assert said == f"cannot connect to 127.0.0.1:{port}: connection closed by the other side"


def test_a_proxy_that_does_not_listen_is_named_with_the_words_of_the_system() -> None:
    """Seen: `cannot be reached: Connect call failed ('127.0.0.1', 3128)`."""
    proxy = f"http://127.0.0.1:{reserve_port()}"
    said = asyncio.run(failure_of("http://a.example/", read_outbound({}, proxy)))
    assert said == f"the proxy {proxy} cannot be reached: connection refused"


@pytest.mark.parametrize(
    ("failure", "error", "said"),
    [
        (
            aiohttp.ClientConnectorDNSError,
            socket.gaierror(-2, "Name or service not known"),
            "the name a.example cannot be resolved: Name or service not known",
        ),
        (
            aiohttp.ClientConnectorError,
            OSError("Multiple exceptions: …"),
            "cannot connect to a.example:443: Multiple exceptions: …",
        ),
        (
            aiohttp.ClientConnectorError,
            socket.gaierror(-2, "Name or service not known"),
            "cannot connect to a.example:443: Name or service not known",
        ),
        (
            aiohttp.ClientConnectorDNSError,
            OSError(None, "no answer"),
            "the name a.example cannot be resolved: no answer",
        ),
        (
            aiohttp.ClientConnectorError,
            ConnectionResetError(),
            "cannot connect to a.example:443: connection closed by the other side",
        ),
        (aiohttp.ClientConnectorError, OSError(), "cannot connect to a.example:443: OSError"),
    ],
)
def test_other_failures_name_the_host_and_the_reason(
    failure: type[aiohttp.ClientConnectorError], error: OSError, said: str
) -> None:
    key = ConnectionKey("a.example", 443, True, True, None, None, None)
    assert failure_text(failure(key, error)) == said
