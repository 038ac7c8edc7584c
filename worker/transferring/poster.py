"""A poster: the first frame of a video as a JPEG, decoded in a separate process, one video at a time."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import IO, cast

from worker.transferring.poster_process import BLOCK_BYTES, LENGTH, MESSAGE, PICTURE, READ, SIZE, ReadAt

log = logging.getLogger("reelq.poster")

POSTER_TYPE = "image/jpeg"
LIMIT_S = 20.0
NO_DECODER = "PyAV is not installed; run: pip install 'reelq[media]', or set poster = false"
_PROGRAM = Path(__file__).with_name("poster_process.py")
# The decoder gets none of our settings and no secret.
_ENVIRONMENT = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "LANG")


class Unreadable(Exception):
    """A part of the video that the decoder needs cannot be read; the text says why."""


class Posters:
    """Makes posters, one at a time: a decoder holds several frames, and 4K frames are large."""

    def __init__(self, enabled: bool = True) -> None:
        self.enabled = enabled
        self._decoder = find_spec("av") is not None
        if enabled and not self._decoder:
            log.warning("poster.no_decoder %s", NO_DECODER)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="reelq-poster")
        self._process: subprocess.Popen[bytes] | None = None

    async def make(self, read_at: ReadAt, size: int) -> bytes | str:
        """A JPEG, or why there is none; `NO_DECODER` without a decoder. Never raises unless cancelled.

        `read_at` is called from another thread and may raise `Unreadable`.
        """
        if not self._decoder:
            return NO_DECODER
        try:
            async with asyncio.timeout(LIMIT_S):
                return await asyncio.get_running_loop().run_in_executor(self._pool, self._make, read_at, size)
        except TimeoutError:
            if (process := self._process) is not None:
                process.kill()  # this frees the thread that waits for it
            return f"not made within {LIMIT_S:g} s"

    def _make(self, read_at: ReadAt, size: int) -> bytes | str:
        process = self._process or self._start()
        try:
            return _converse(cast(IO[bytes], process.stdin), cast(IO[bytes], process.stdout), read_at, size)
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

    def _start(self) -> subprocess.Popen[bytes]:
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(_PROGRAM)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
        )
        return self._process

    def _end(self) -> int | None:
        process, self._process = self._process, None
        if process is None:
            return None
        process.kill()
        with process:  # closes the pipes and waits
            pass
        return process.returncode

    def close(self) -> None:
        """Make no more posters, and end the process."""
        if (process := self._process) is not None:
            process.kill()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._end()


def _converse(sink: IO[bytes], source: IO[bytes], read_at: ReadAt, size: int) -> bytes | str:
    head = read_at(0, min(size, BLOCK_BYTES))
    sink.write(SIZE.pack(size, len(head)) + head)
    sink.flush()
    while True:
        kind, offset, length = MESSAGE.unpack(_exactly(source, MESSAGE.size))
        if kind == READ:
            part = read_at(offset, length)
            sink.write(LENGTH.pack(len(part)))
            sink.write(part)
            sink.flush()
            continue
        answer = _exactly(source, length)
        return answer if kind == PICTURE else answer.decode("utf-8", "replace")


def _exactly(source: IO[bytes], size: int) -> bytes:
    data = source.read(size)
    if len(data) < size:
        raise EOFError
    return data
