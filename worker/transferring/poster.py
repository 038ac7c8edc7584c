"""A poster: the first frame of a video as a JPEG, decoded in a separate process, one video at a time.

First frames go to that process in rows. A decoder that works between other processes finds the processor's caches full
of what is theirs, and takes half as long again.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from worker.transferring.decoder_channel import Row, Source, Unreadable, part_of, picture_of_file
from worker.transferring.first_frame import FirstFrame

log = logging.getLogger("reelq.poster")

POSTER_TYPE = "image/jpeg"
LIMIT_S = 20.0
"""How long a decoder may take for one poster."""
WAIT_S = 3 * LIMIT_S
"""How long a copy waits for its poster, its turn included: a video that hangs its decoder costs no other its poster,
and many of them hold up no copy for long."""
GATHER_S = 0.05
"""Rows begin this far apart, unless frames are left. A frame that comes after a longer pause does not wait."""
ROW_BYTES = 2**20
"""A row with as many bytes takes no further frame."""
NO_DECODER = "PyAV is not installed; run: pip install 'reelq[media]', or set poster = false"
_PROGRAM = Path(__file__).with_name("poster_process.py")
# The decoder gets none of our settings and no secret.
_ENVIRONMENT = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "LANG")
# What a frame took is kept for the next one. With its own limits the C library gives it back to the kernel after each
# frame, or never, as its heap happens to lie.
_ALLOCATOR = {"MALLOC_TRIM_THRESHOLD_": str(32 * 2**20), "MALLOC_MMAP_THRESHOLD_": str(4 * 2**20)}
_Answer = TypeVar("_Answer")


@dataclass(frozen=True, eq=False, slots=True)
class _Wanted:
    """A copy waits for the picture of a first frame, or for why there is none; None: the decoder needs the file."""

    source: Source
    first: FirstFrame
    picture: asyncio.Future[bytes | str | None]

    def give(self, picture: bytes | str | None) -> None:
        if not self.picture.done():  # else the copy was given up
            self.picture.set_result(picture)


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
        self._wanted: deque[_Wanted] = deque()
        self._rows: asyncio.Task[None] | None = None
        self._next_row_at = 0.0

    async def make(self, source: Source, size: int, first: FirstFrame | None = None) -> bytes | str:
        """A JPEG, or why there is none; `NO_DECODER` without a decoder. Never raises unless cancelled.

        `first`: the first frame, if it is known; else the decoder looks for it.
        """
        if not self._decoder:
            return NO_DECODER
        try:
            async with asyncio.timeout(WAIT_S):
                found = None if first is None else await self._in_a_row(source, first)
                return found if found is not None else await self._alone(source, size)
        except TimeoutError:
            return f"not made within {WAIT_S:g} s"

    async def _alone(self, source: Source, size: int) -> bytes | str:
        async with self._turn:
            channel = self._opened()
            return channel if isinstance(channel, str) else await self._guard(picture_of_file(channel, source, size))

    async def _in_a_row(self, source: Source, first: FirstFrame) -> bytes | str | None:
        wanted = _Wanted(source, first, asyncio.get_running_loop().create_future())
        self._wanted.append(wanted)
        if self._rows is None or self._rows.done():
            self._rows = asyncio.create_task(self._make_rows())
        return await wanted.picture

    async def _make_rows(self) -> None:
        loop = asyncio.get_running_loop()
        while self._wanted:
            await asyncio.sleep(self._next_row_at - loop.time())
            self._next_row_at = loop.time() + GATHER_S
            while self._wanted:
                async with self._turn:
                    await self._make_row()

    async def _make_row(self) -> None:
        taken, frames = await self._take_row()
        if not taken:
            return
        channel = self._opened()
        if isinstance(channel, str):
            for wanted in taken:
                wanted.give(channel)
            return
        row = Row(channel, frames)
        for place, wanted in enumerate(taken, 1):
            wanted.give(await self._guard(row.next()))
            if self._channel is None:  # this frame has ended the decoder, and another one gets those behind it
                self._wanted.extendleft(reversed(taken[place:]))
                return

    async def _take_row(self) -> tuple[list[_Wanted], list[tuple[FirstFrame, bytes]]]:
        taken: list[_Wanted] = []
        frames: list[tuple[FirstFrame, bytes]] = []
        size = 0
        while self._wanted and size < ROW_BYTES:
            wanted = self._wanted.popleft()
            if wanted.picture.done():  # its copy was given up
                continue
            try:
                frame = await part_of(wanted.source, wanted.first.offset, wanted.first.size)
            except Exception:  # noqa: BLE001 - it is read again with the file, and then reported
                wanted.give(None)
                continue
            taken.append(wanted)
            frames.append((wanted.first, frame))
            size += len(frame)
        return taken, frames

    async def _guard(self, answer: Coroutine[Any, Any, _Answer]) -> _Answer | str:
        """The decoder's answer, or why there is none; then the decoder was ended."""
        try:
            async with asyncio.timeout(LIMIT_S):
                return await answer
        except TimeoutError:
            self._end()
            return f"not made within {LIMIT_S:g} s"
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

    def _opened(self) -> socket.socket | str:
        """The decoder's socket, or why there is no decoder."""
        try:
            return self._channel or self._start()
        except OSError as exc:  # no process or no descriptor is left
            self._end()
            log.warning("poster.not_started error=%s", exc)
            return f"the decoder cannot be started: {exc}"

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        self._channel = ours
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", str(_PROGRAM)],
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=subprocess.DEVNULL,
                env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ} | _ALLOCATOR,
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
        if self._rows is not None:
            self._rows.cancel()
        self._end()
