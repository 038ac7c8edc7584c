"""A poster: the first frame of a video as a JPEG, decoded once, on one thread, whatever the video is like."""

from __future__ import annotations

import asyncio
import io
import logging
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import av
    from av.video.reformatter import VideoReformatter

log = logging.getLogger("reelq.poster")

POSTER_TYPE = "image/jpeg"
MAX_WIDTH = 480
MAX_PIXELS = 4096 * 4096
MAX_PACKETS = 64
LIMIT_S = 20.0
_BLOCK_BYTES = 256 * 1024
_MAX_BLOCKS = 64

ReadAt = Callable[[int, int], bytes]
"""The bytes of a file from an offset on, so many or fewer at its end."""


class NoPoster(Exception):
    """No picture can be made of these bytes; the text says why."""


class _File(io.RawIOBase):
    """What libav reads: a file of which only the parts that it asks for are fetched."""

    def __init__(self, read_at: ReadAt, size: int) -> None:
        self._read_at = read_at
        self._size = size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, start + offset)
        return self._position

    def tell(self) -> int:
        return self._position

    def read(self, size: int = -1) -> bytes:
        left = max(0, self._size - self._position)
        found = self._read_at(self._position, left if size < 0 else min(size, left))
        self._position += len(found)
        return found


def blocks(fetch: ReadAt, size: int) -> ReadAt:
    """Read a remote file in larger pieces, few of which are kept.

    Raises (when read):
        NoPoster: more than 16 MiB were asked for.
    """
    kept: OrderedDict[int, bytes] = OrderedDict()
    fetched = 0

    def read_at(offset: int, length: int) -> bytes:
        nonlocal fetched
        start = offset - offset % _BLOCK_BYTES
        if start not in kept:
            fetched += 1
            if fetched > _MAX_BLOCKS:
                raise NoPoster(f"its first frame needs more than {_MAX_BLOCKS * _BLOCK_BYTES} bytes of it")
            kept[start] = fetch(start, min(_BLOCK_BYTES, size - start))
            while len(kept) > 8:
                kept.popitem(last=False)
        return kept[start][offset - start : offset - start + length]

    return read_at


def first_frame(read_at: ReadAt, size: int, scaler: VideoReformatter | None = None) -> bytes:
    """The first frame as a JPEG, at most 480 pixels wide. A `scaler` that is kept saves a third of the work.

    Raises:
        NoPoster: it cannot be decoded, or not within the limits.
    """
    import av

    try:
        # Only one demuxer is let near bytes from outside, and no file that it names is opened.
        with av.open(_File(read_at, size), "r", format="mp4", options={"use_absolute_path": "0"}) as container:
            if not container.streams.video:
                raise NoPoster("it has no video stream")
            stream = container.streams.video[0]
            if not 0 < stream.codec_context.width * stream.codec_context.height <= MAX_PIXELS:
                raise NoPoster(f"its frames are {stream.codec_context.width}×{stream.codec_context.height}")
            stream.codec_context.thread_count = 1
            stream.codec_context.flags |= av.codec.context.Flags.low_delay  # the first frame at once, not after others
            for count, packet in enumerate(container.demux(stream)):
                for frame in packet.decode():
                    return _jpeg(frame, scaler)
                if count >= MAX_PACKETS:
                    break
    except av.FFmpegError as exc:
        raise NoPoster(f"{type(exc).__name__}: {exc}") from exc
    raise NoPoster("it has no frame that can be decoded")


def _jpeg(frame: av.VideoFrame, scaler: VideoReformatter | None) -> bytes:
    import av
    from av.video.reformatter import VideoReformatter

    width = min(frame.width, MAX_WIDTH) // 2 * 2
    height = max(2, round(frame.height * width / frame.width / 2) * 2)
    scaler = scaler or VideoReformatter()
    picture = scaler.reformat(frame, width, height, "yuvj420p", interpolation="AREA")
    picture.pts = 0
    encoder: Any = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuvj420p"
    encoder.time_base = Fraction(1, 1)
    encoder.thread_count = 1
    return b"".join(bytes(packet) for packet in encoder.encode(picture))


class Posters:
    """Makes posters, one at a time: a decoder holds several frames, and those of 4K are large."""

    def __init__(self, enabled: bool = True) -> None:
        self.enabled = enabled
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="reelq-poster")
        self._scaler: VideoReformatter | None = None  # of that one thread

    async def make(self, read_at: ReadAt, size: int) -> bytes | str:
        """A JPEG, or why there is none. Never raises but when cancelled."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(LIMIT_S):
                return await loop.run_in_executor(self._pool, self._first_frame, read_at, size)
        except TimeoutError:
            return f"not made within {LIMIT_S:g} s"
        except NoPoster as exc:
            return str(exc)
        except Exception as exc:  # what a decoder can do with bytes from outside is not ours to foresee
            log.exception("poster.failed")
            return f"{type(exc).__name__}: {exc}"

    def _first_frame(self, read_at: ReadAt, size: int) -> bytes:
        if self._scaler is None:
            from av.video.reformatter import VideoReformatter

            self._scaler = VideoReformatter()
        return first_frame(read_at, size, self._scaler)

    def close(self) -> None:
        """Make no more."""
        self._pool.shutdown(wait=False, cancel_futures=True)
