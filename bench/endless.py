"""A gateway whose generations never end: it answers every AnyFast query with "in progress", at little CPU.

    python -m bench.endless PORT

`GET /_log` returns the queries since its last call, one line each: time and task id.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time

_BODY = b'{"code":"success","message":"","data":{"task_id":"t","status":"IN_PROGRESS","progress":"50%","data":{}}}'
_LOG: list[tuple[float, bytes]] = []


def _answer(body: bytes, kind: bytes = b"application/json") -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s" % (kind, len(body), body)


_IN_PROGRESS = _answer(_BODY)


class Endless(asyncio.Protocol):
    """One connection; requests have no bodies."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        *requests, self._rest = (self._rest + data).split(b"\r\n\r\n")
        for request in requests:
            path = request.split(b" ", 2)[1]
            self._transport.write(_log() if path == b"/_log" else _record(path))


def _record(path: bytes) -> bytes:
    _LOG.append((time.time(), path.rpartition(b"/")[2]))
    return _IN_PROGRESS


def _log() -> bytes:
    lines = b"".join(b"%f %s\n" % entry for entry in _LOG)
    _LOG.clear()
    return _answer(lines, b"text/plain")


async def main(port: int) -> None:
    """Serve until SIGTERM."""
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    await loop.create_server(Endless, "127.0.0.1", port, backlog=512)
    await stopped.wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
