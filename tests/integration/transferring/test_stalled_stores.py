"""A store that takes no more bytes holds up a copy for a limited time."""

from __future__ import annotations

import asyncio

import pytest

from seedance.network.outbound import DIRECT
from storage.bucket import connection
from storage.bucket.requests import SignedRequest, StoreUnavailable

BODY = bytes(32 * 2**20)
"""More than the buffers of a connection hold."""


def test_a_store_that_stops_to_read_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "STALL_S", 0.3)
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await ended.wait()
        writer.transport.abort()

    async def run() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/part"
        request = SignedRequest("PUT", url, {"Content-Length": str(len(BODY))}, None)
        async with connection.open_session(DIRECT) as session, asyncio.timeout(30):
            with pytest.raises(StoreUnavailable, match="Timeout"):
                await connection.send(session, request, [memoryview(BODY)])
        ended.set()
        server.close()
        await server.wait_closed()
        await asyncio.sleep(0.1)

    asyncio.run(run())
