"""What is said over the socket of the process that makes posters; the other side is `poster_process`."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence

from worker.transferring.first_frame import FirstFrame
from worker.transferring.poster_process import BLOCK_BYTES, FILE, LENGTH, MESSAGE, PICTURE, READ, REQUEST


class Unreadable(Exception):
    """A part of the video that the decoder needs cannot be read; the text says why."""


Source = Callable[[int, int], bytes | Awaitable[bytes]]
"""From an offset and a size: those bytes of a file, fewer at its end. May raise `Unreadable`."""


async def part_of(source: Source, offset: int, size: int) -> bytes:
    """Those bytes.

    Raises:
        Unreadable: they cannot be read.
    """
    found = source(offset, size)
    return found if isinstance(found, bytes) else await found


class Row:
    """First frames, each with what configures its decoder, that were sent all at once. They are answered in order."""

    def __init__(self, channel: socket.socket, frames: Sequence[tuple[FirstFrame, bytes]]) -> None:
        requests = (
            part
            for first, frame in frames
            for part in (REQUEST.pack(first.codec, len(first.config), len(frame)), first.config, frame)
        )
        self._channel, self._rest = channel, b""
        # At the same time: the decoder reads no further frame while its answers are not read.
        self._sending = asyncio.create_task(asyncio.get_running_loop().sock_sendall(channel, b"".join(requests)))

    async def next(self) -> bytes | None:
        """The picture of the next frame; None: it cannot be decoded alone.

        Raises:
            EOFError, OSError: the decoder has ended.
        """
        try:
            header = await _at_least(self._channel, self._rest, MESSAGE.size)
            kind, _, length = MESSAGE.unpack_from(header)
            answer = await _at_least(self._channel, header, MESSAGE.size + length)
        except BaseException:
            # The loop must not watch the socket any more when it is closed.
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)
            raise
        self._rest = answer[MESSAGE.size + length :]
        return answer[MESSAGE.size : MESSAGE.size + length] if kind == PICTURE else None


async def picture_of_file(channel: socket.socket, source: Source, size: int) -> bytes | str:
    """The picture of a file, of which the decoder gets what it asks for, or why there is none.

    Raises:
        Unreadable: as `source`; the decoder still waits for these bytes.
        EOFError, OSError: the decoder has ended.
    """
    loop, data = asyncio.get_running_loop(), b""
    head = await part_of(source, 0, min(size, BLOCK_BYTES))
    await loop.sock_sendall(channel, REQUEST.pack(FILE, size, len(head)) + head)
    while True:
        data = await _at_least(channel, data, MESSAGE.size)
        kind, offset, length = MESSAGE.unpack_from(data)
        if kind == READ:
            data = data[MESSAGE.size :]
            part = await part_of(source, offset, length)
            await loop.sock_sendall(channel, LENGTH.pack(len(part)) + part)
            continue
        answer = (await _at_least(channel, data, MESSAGE.size + length))[MESSAGE.size :]
        return answer if kind == PICTURE else answer.decode("utf-8", "replace")


async def _at_least(channel: socket.socket, data: bytes, size: int) -> bytes:
    """`data` and what arrives after it, until there are `size` bytes.

    Raises:
        EOFError: the decoder has ended.
    """
    while len(data) < size:
        piece = await asyncio.get_running_loop().sock_recv(channel, 64 * 1024)
        if not piece:
            raise EOFError
        data += piece
    return data
