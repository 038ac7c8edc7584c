"""A poster: the first frame of a video as a JPEG, decoded in a separate process, one video at a time."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from pathlib import Path

from worker.transferring.first_frame import FirstFrame
from worker.transferring.poster_process import BLOCK_BYTES, FILE, LENGTH, MESSAGE, PICTURE, READ, REQUEST

log = logging.getLogger("reelq.poster")

POSTER_TYPE = "image/jpeg"
LIMIT_S = 20.0
"""How long a decoder may take for one poster."""
WAIT_S = 3 * LIMIT_S
"""How long a copy waits for its poster, its turn included: a video that hangs its decoder costs no other its poster,
and many of them hold up no copy for long."""
NO_DECODER = "PyAV is not installed; run: pip install 'reelq[media]', or set poster = false"
_PROGRAM = Path(__file__).with_name("poster_process.py")
# The decoder gets none of our settings and no secret.
_ENVIRONMENT = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "LANG")


class Unreadable(Exception):
    """A part of the video that the decoder needs cannot be read; the text says why."""


Source = Callable[[int, int], bytes | Awaitable[bytes]]
"""From an offset and a size: those bytes of a file, fewer at its end. May raise `Unreadable`."""


class Posters:
    """Makes posters, one at a time: a decoder holds several frames, and 4K frames are large. Use it on one event loop
    only.

    Bytes in memory go to the decoder from the loop itself: to hand them to a thread that waits for the decoder costs as
    much CPU as to store the poster.
    """

    def __init__(self, enabled: bool = True) -> None:
        self.enabled = enabled
        self._decoder = find_spec("av") is not None
        if enabled and not self._decoder:
            log.warning("poster.no_decoder %s", NO_DECODER)
        self._turn = asyncio.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None

    async def make(self, source: Source, size: int, first: FirstFrame | None = None) -> bytes | str:
        """A JPEG, or why there is none; `NO_DECODER` without a decoder. Never raises unless cancelled.

        `first`: the first frame, if it is known; else the decoder looks for it.
        """
        if not self._decoder:
            return NO_DECODER
        whole = asyncio.timeout(WAIT_S)
        try:
            async with whole, self._turn, asyncio.timeout(LIMIT_S):
                return await self._make(source, size, first)
        except TimeoutError:
            return f"not made within {WAIT_S if whole.expired() else LIMIT_S:g} s"

    async def _make(self, source: Source, size: int, first: FirstFrame | None) -> bytes | str:
        try:
            channel = self._channel or self._start()
        except OSError as exc:  # no process or no descriptor is left
            self._end()
            log.warning("poster.not_started error=%s", exc)
            return f"the decoder cannot be started: {exc}"
        try:
            return await _converse(channel, source, size, first)
        except (OSError, EOFError):
            status = self._end()
            log.warning("poster.process_ended status=%s", status)
            return f"the decoder exited with status {status}"
        except Unreadable as exc:
            self._end()  # the decoder still waits for these bytes
            return str(exc)
        except Exception as exc:
            self._end()
            log.exception("poster.failed")
            return f"{type(exc).__name__}: {exc}"
        except BaseException:  # it may be in the middle of an answer
            self._end()
            raise

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        self._channel = ours
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", str(_PROGRAM)],
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=subprocess.DEVNULL,
                env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
            )
        ours.setblocking(False)
        return ours

    def _end(self) -> int | None:
        channel, self._channel = self._channel, None
        process, self._process = self._process, None
        if channel is not None:
            channel.close()
        if process is None:
            return None
        process.kill()
        return process.wait()

    def close(self) -> None:
        """End the process."""
        self._end()


async def _converse(channel: socket.socket, source: Source, size: int, first: FirstFrame | None) -> bytes | str:
    if first is not None:
        frame = await _part(source, first.offset, first.size)
        request = REQUEST.pack(first.codec, len(first.config), len(frame)) + first.config + frame
        if isinstance(found := await _asked(channel, source, request), bytes):
            return found
    head = await _part(source, 0, min(size, BLOCK_BYTES))
    return await _asked(channel, source, REQUEST.pack(FILE, size, len(head)) + head)


async def _asked(channel: socket.socket, source: Source, request: bytes) -> bytes | str:
    loop, data = asyncio.get_running_loop(), b""
    await loop.sock_sendall(channel, request)
    while True:
        data = await _at_least(channel, data, MESSAGE.size)
        kind, offset, length = MESSAGE.unpack_from(data)
        if kind == READ:
            data = data[MESSAGE.size :]
            part = await _part(source, offset, length)
            await loop.sock_sendall(channel, LENGTH.pack(len(part)) + part)
            continue
        answer = (await _at_least(channel, data, MESSAGE.size + length))[MESSAGE.size :]
        return answer if kind == PICTURE else answer.decode("utf-8", "replace")


async def _part(source: Source, offset: int, size: int) -> bytes:
    found = source(offset, size)
    return found if isinstance(found, bytes) else await found


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
