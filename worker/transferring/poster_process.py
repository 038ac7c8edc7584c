"""The process that decodes first frames, so that a hostile video can harm no other process.

It has no settings and no secrets, opens no files and has a memory limit; the worker restarts it when it dies. It uses
its stdin and stdout: the worker sends a frame and the configuration of its decoder, or the size of a file and its first
block; then the process asks for more ranges of the file if it needs them. It answers with a JPEG or with the reason why
there is none. It is started as a script and imports nothing of ours.
"""

from __future__ import annotations

import io
import os
import resource
import signal
import struct
from collections import OrderedDict
from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:  # the worker reads the names above and below without loading libav
    import av
    from av.video.reformatter import VideoReformatter

MAX_WIDTH = 480
MAX_PIXELS = 4096 * 4096
MAX_PACKETS = 64
BLOCK_BYTES = 60 * 1024  # a block and its header fit into the buffer of the socket at once
MAX_BLOCKS = 16 * 2**20 // BLOCK_BYTES + 1
MEMORY_BYTES = 2 * 2**30  # of address space; most of it is never touched
_KEPT_BLOCKS = 32

# Only one demuxer may read bytes from outside, and files that they name are not opened. Probing is short: libav would
# decode frames to learn what the file's index already says.
_OPTIONS = {"enable_drefs": "0", "analyzeduration": "0", "probesize": "32"}

# From the worker: FILE, the size of the file and the length of its first block, then the block; later the length of a
# range, the range. Or the codec of a frame, the length of its decoder's configuration and that of the frame, then both.
REQUEST, LENGTH = struct.Struct("<4sQI"), struct.Struct("<I")
FILE = b"file"
CODECS = {b"avc1": "h264", b"hvc1": "hevc", b"hev1": "hevc"}
# To the worker: the kind, then the offset and length to read (READ), or only the length of what follows.
MESSAGE = struct.Struct("<cQI")
READ, PICTURE, NOTHING = b"R", b"P", b"N"

ReadAt = Callable[[int, int], bytes]
"""From an offset and a size: those bytes of a file, fewer at its end."""


class NoPoster(Exception):
    """No poster can be made of this file; the text says why."""


class File(io.RawIOBase):
    """The file that libav reads: only the blocks it asks for are fetched, and few of them are kept."""

    def __init__(self, fetch: ReadAt, size: int, head: bytes = b"") -> None:
        self._fetch = fetch
        self._size = size
        self._position = 0
        self._kept: OrderedDict[int, bytes] = OrderedDict({0: head} if head else {})
        self._fetched = 0

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
        """Up to `size` bytes, all from one block: libav asks again for the rest."""
        start = self._position - self._position % BLOCK_BYTES
        if self._position >= self._size:
            return b""
        if start not in self._kept:
            self._fetched += 1
            if self._fetched > MAX_BLOCKS:
                raise NoPoster(f"the decoder needs more than {MAX_BLOCKS * BLOCK_BYTES // 2**20} MiB of the file")
            self._kept[start] = self._fetch(start, min(BLOCK_BYTES, self._size - start))
            if len(self._kept) > _KEPT_BLOCKS:
                self._kept.popitem(last=False)
        begin = self._position - start
        data = self._kept[start][begin : None if size < 0 else begin + size]
        self._position += len(data)
        return data


def picture_of(codec: bytes, config: bytes, frame: bytes, scaler: VideoReformatter) -> bytes:
    """A frame that can be decoded alone as a JPEG, at most 480 pixels wide. A third cheaper than `first_frame`: libav's
    demuxer reads nothing.

    Raises:
        NoPoster: the frame cannot be decoded within the limits.
    """
    import av

    decoder: Any = av.CodecContext.create(CODECS[codec], "r")
    decoder.extradata, decoder.thread_count, decoder.options = config, 1, {"max_pixels": str(MAX_PIXELS)}
    decoder.flags |= av.codec.context.Flags.low_delay
    try:
        for found in decoder.decode(av.Packet(frame)) or decoder.decode(None):
            if not found.is_corrupt:
                return _jpeg(found, scaler)
    except av.FFmpegError as exc:
        raise NoPoster(f"{type(exc).__name__}: {exc.strerror}") from exc
    raise NoPoster("the frame cannot be decoded alone")


def first_frame(fetch: ReadAt, size: int, scaler: VideoReformatter | None = None, head: bytes = b"") -> bytes:
    """The first frame of an MP4 as a JPEG, at most 480 pixels wide.

    `scaler`: reuse one to save a third of the work. `head`: the first block of the file, if already read.

    Raises:
        NoPoster: the frame cannot be decoded within the limits.
    """
    import av
    from av.video.reformatter import VideoReformatter

    try:
        with av.open(File(fetch, size, head), "r", format="mp4", options=_OPTIONS) as container:
            if not container.streams.video:
                raise NoPoster("the file has no video stream")
            stream = container.streams.video[0]
            decoder = stream.codec_context
            if not 0 < decoder.width * decoder.height <= MAX_PIXELS:
                raise NoPoster(f"frames of {decoder.width}×{decoder.height} pixels are not supported")
            decoder.thread_count = 1
            decoder.flags |= av.codec.context.Flags.low_delay  # return the first frame at once, not after others
            for count, packet in enumerate(container.demux(stream)):
                for frame in packet.decode():
                    return _jpeg(frame, scaler or VideoReformatter())
                if count >= MAX_PACKETS:
                    break
    except av.FFmpegError as exc:
        raise NoPoster(f"{type(exc).__name__}: {exc.strerror}") from exc
    raise NoPoster("the file has no frame that can be decoded")


def _jpeg(frame: av.VideoFrame, scaler: VideoReformatter) -> bytes:
    import av

    width = min(frame.width, MAX_WIDTH) // 2 * 2
    height = max(2, round(frame.height * width / frame.width / 2) * 2)
    picture = scaler.reformat(frame, width, height, "yuvj420p", interpolation="AREA", threads=1)
    picture.pts = 0
    encoder: Any = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuvj420p"
    encoder.time_base = Fraction(1, 1)
    encoder.thread_count = 1
    return b"".join(bytes(packet) for packet in encoder.encode(picture))


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Make posters, one file after another, until the worker closes the socket."""
    from av.video.reformatter import VideoReformatter

    scaler = VideoReformatter()

    def fetch(offset: int, size: int) -> bytes:
        sink.write(MESSAGE.pack(READ, offset, size))
        sink.flush()
        (length,) = LENGTH.unpack(source.read(LENGTH.size))
        return source.read(length)

    while len(header := source.read(REQUEST.size)) == REQUEST.size:
        what, size, length = REQUEST.unpack(header)
        config = b"" if what == FILE else source.read(size)
        data = source.read(length)
        try:
            picture = first_frame(fetch, size, scaler, data) if what == FILE else picture_of(what, config, data, scaler)
            kind, answer = PICTURE, picture
        except struct.error:
            return  # the worker died before it sent the range
        except Exception as exc:  # noqa: BLE001 - bytes from outside can make a decoder fail in any way
            text = str(exc) if isinstance(exc, NoPoster) else f"{type(exc).__name__}: {exc}"
            kind, answer = NOTHING, text.encode()[:1000]
        sink.write(MESSAGE.pack(kind, 0, len(answer)) + answer)
        sink.flush()


def main() -> None:
    """Limit the process, then serve."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the worker handles Ctrl-C and stops this process
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):  # output that a library prints must not be read as an answer
        os.dup2(null, standard)
    for limit, most in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, 16),
    ):
        resource.setrlimit(limit, (most, most))
    serve(source, sink)


if __name__ == "__main__":
    main()
