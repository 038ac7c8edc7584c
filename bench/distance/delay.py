"""A TCP proxy that is some milliseconds away: what it passes on arrives later, in both directions, at any rate.

    python -m bench.distance.delay PORT TO_PORT ROUND_TRIP_MS

A connection costs a round trip before its first byte arrives, as a handshake does. Bytes wait half of a round trip. The
rate is not limited, so a large file pays the distance once, as over a link with large windows.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from contextlib import suppress

HOST = "127.0.0.1"
PIECE_BYTES = 256 * 1024
UNDER_WAY = 256
"""Pieces that may be under way in one direction."""
BACKLOG = 1024

Piece = tuple[float, bytes]


async def serve(to_port: int, round_trip_s: float, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass one connection on."""
    far_writer: asyncio.StreamWriter | None = None
    with suppress(OSError, EOFError):
        far_reader, far_writer = await asyncio.open_connection(HOST, to_port)
        for one in (writer, far_writer):
            one.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        first_s = asyncio.get_running_loop().time() + round_trip_s
        await asyncio.gather(
            _direction(reader, far_writer, round_trip_s / 2, first_s + round_trip_s / 2),
            _direction(far_reader, writer, round_trip_s / 2, 0.0),
        )
    for end in (writer, far_writer):
        if end is not None:
            end.close()
            with suppress(OSError):
                await end.wait_closed()


async def _direction(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float, not_before: float
) -> None:
    """Pass bytes on, each piece `delay_s` after it came and none before a moment of the loop's clock."""
    under_way: asyncio.Queue[Piece] = asyncio.Queue(UNDER_WAY)
    async with asyncio.TaskGroup() as group:
        group.create_task(_read(reader, under_way, delay_s, not_before))
        group.create_task(_write(writer, under_way))


async def _read(
    reader: asyncio.StreamReader, under_way: asyncio.Queue[Piece], delay_s: float, not_before: float
) -> None:
    now = asyncio.get_running_loop().time
    data = b"more"
    while data:
        try:
            data = await reader.read(PIECE_BYTES)
        except OSError:
            data = b""
        await under_way.put((max(now() + delay_s, not_before), data))


async def _write(writer: asyncio.StreamWriter, under_way: asyncio.Queue[Piece]) -> None:
    now = asyncio.get_running_loop().time
    with suppress(OSError):
        while True:
            at, data = await under_way.get()
            await asyncio.sleep(max(0.0, at - now()))
            if not data:
                break
            writer.write(data)
            await writer.drain()
        writer.write_eof()
        return
    while (await under_way.get())[1]:
        """The receiver is gone; let the sender end."""


async def main(port: int, to_port: int, round_trip_ms: float) -> None:
    """Serve until the process is ended."""
    server = await asyncio.start_server(
        lambda reader, writer: serve(to_port, round_trip_ms / 1000, reader, writer), HOST, port, backlog=BACKLOG
    )
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
