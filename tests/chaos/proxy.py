"""A TCP proxy with faults that a file describes. Faults need an HTTP server behind it; without, any server will do.

    python -m tests.chaos.proxy LISTEN_HOST:PORT TO_HOST:PORT MODE_FILE

The file contains `{"kind": KIND, "share": 0.3, "seconds": 2, "seed": 1}` and is read for every connection; without the
file all bytes pass. The fault hits a share of the requests: `error` answers 500, `slow` delays, `cut` closes the
connection half way, `silent` never answers. While there is a fault, a connection carries one request.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PIECE_BYTES = 64 * 1024
_BODY = b"<?xml version='1.0'?><Error><Code>InternalError</Code><Message>a fault of the test</Message></Error>"
_ERROR = b"HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/xml\r\nConnection: close\r\n"
CUT_BYTES = 30_000


class Proxy:
    """One listening port."""

    def __init__(self, host: str, port: int, mode: Path) -> None:
        self._host = host
        self._port = port
        self._mode = mode
        self._random = random.Random()
        self._seed: int | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def watch(self) -> None:
        """Close open connections when the mode changes, so that every client meets the new one."""
        before = self._read_mode()
        while True:
            await asyncio.sleep(0.1)
            if (now := self._read_mode()) != before:
                before = now
                for writer in list(self._open):
                    writer.transport.abort()

    def _read_mode(self) -> Mapping[str, Any] | None:
        try:
            mode: Mapping[str, Any] = json.loads(self._mode.read_text())
        except (OSError, ValueError):
            return None
        if mode.get("seed") != self._seed:
            self._seed = mode.get("seed")
            self._random.seed(self._seed)
        return mode

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            mode = self._read_mode()
            if mode is None:
                await self._forward(reader, writer, b"", None)
                return
            head = await reader.readuntil(b"\r\n\r\n")
            # The server closes after its answer, so that each request draws its own fault.
            head = head[:-2] + b"Connection: close\r\n\r\n"
            hit = self._random.random() < float(mode.get("share", 1.0))
            kind = str(mode["kind"]) if hit else ""
            await self._misbehave(kind, float(mode.get("seconds", 2)), head, reader, writer)
        except (OSError, EOFError, asyncio.LimitOverrunError):
            pass
        finally:
            self._open.discard(writer)
            writer.transport.abort()

    async def _misbehave(
        self, kind: str, seconds: float, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if kind == "error":
            writer.write(_ERROR + b"Content-Length: %d\r\n\r\n" % len(_BODY) + _BODY)
            await writer.drain()
            await asyncio.sleep(0.05)  # time to read the answer before the connection is reset
            return
        if kind in ("slow", "silent"):
            await asyncio.sleep(seconds)
        if kind != "silent":
            await self._forward(reader, writer, head, CUT_BYTES if kind == "cut" else None)

    async def _forward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes, limit: int | None
    ) -> None:
        far_reader, far_writer = await asyncio.open_connection(self._host, self._port)
        try:
            far_writer.write(head)
            there = asyncio.create_task(_pump(reader, far_writer, limit))
            back = asyncio.create_task(_pump(far_reader, writer, limit))
            done, _ = await asyncio.wait({there, back}, return_when=asyncio.FIRST_COMPLETED)
            if back not in done and not there.result():
                await back
            there.cancel()
            back.cancel()
        finally:
            far_writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, limit: int | None) -> bool:
    """Pass bytes on until they end; True when the limit was reached instead."""
    passed = 0
    with contextlib.suppress(OSError):
        while data := await reader.read(PIECE_BYTES):
            passed += len(data)
            if limit is not None and passed > limit:
                return True
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    return False


async def main(listen: str, to: str, mode: str) -> None:
    host, port = listen.rsplit(":", 1)
    far_host, far_port = to.rsplit(":", 1)
    proxy = Proxy(far_host, int(far_port), Path(mode))
    server = await asyncio.start_server(proxy.serve, host, int(port))
    async with server:
        await proxy.watch()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4]))
