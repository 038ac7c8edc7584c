"""Noticing that the client of a request that waits has left."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.requests import Request


@contextmanager
def ringing_when_left(request: Request, bell: asyncio.Event) -> Iterator[asyncio.Event]:
    """Ring a bell when the client closes its connection; gives what is then set. The body of the request must have been
    read, or have none."""
    left = asyncio.Event()

    async def listen() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        left.set()
        bell.set()

    task = asyncio.create_task(listen())
    try:
        yield left
    finally:
        task.cancel()
