"""Check that a stream is a complete MP4 or MOV: follow its boxes, and keep only its index."""

from __future__ import annotations

import struct
from collections.abc import Callable

from worker.transferring.first_frame import FirstFrame, first_frame
from worker.transferring.video_format import START_BYTES, VideoFormat, container_of, read_format

MAX_INDEX_BYTES = 4 * 2**20
"""The index of 30 seconds takes some 30 KiB. A larger one than this is not read, and the format stays unknown."""

_HEADER, _LARGE_HEADER = 8, 16
_TO_THE_END = 0
_LARGE = 1
_BOX = struct.Struct(">I4s").unpack_from
_LARGE_SIZE = struct.Struct(">Q").unpack_from


class NotAVideo(Exception):
    """The bytes are not a complete MP4; the text says what is wrong."""


class Mp4Check:
    """Checks an MP4 piece by piece: it begins with `ftyp`, has `moov` and `mdat`, and its last box ends with the file.
    A QuickTime file (MOV) has the same boxes.

    Source: ISO/IEC 14496-12 §4.2 (boxes) and §4.3 (file type box).
    """

    def __init__(self) -> None:
        self._head = bytearray()
        self._skip = 0  # bytes of the current box still to come
        self._open_ended = False
        self._seen: set[bytes] = set()
        self._size = 0
        self._start = b""
        self._index = bytearray()
        self._in_index = False

    @property
    def format(self) -> VideoFormat:
        """What the file is, as far as its index was read."""
        return read_format(container_of(self._start), bytes(self._index))

    @property
    def first_frame(self) -> FirstFrame | None:
        """Where the first frame lies, if the index was read and says it plainly."""
        whole = bool(self._index) and not (self._in_index and self._skip)
        return first_frame(bytes(self._index)) if whole else None

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Check the next bytes.

        Raises:
            NotAVideo: they cannot be part of an MP4.
        """
        view = memoryview(data)
        if len(self._start) < START_BYTES:
            self._start += bytes(view[: START_BYTES - len(self._start)])
        at, end = 0, len(view)
        self._size += end
        while at < end and not self._open_ended:
            if self._skip:
                step = min(self._skip, end - at)
                if self._in_index:
                    self._index += view[at : at + step]
                self._skip -= step
                at += step
            elif self._head or end - at < _LARGE_HEADER:
                at += self._gather(view[at:])
            else:
                at += self._begin_box(view[at : at + _LARGE_HEADER])

    def _gather(self, view: memoryview) -> int:
        """Take what is missing of a header that may be cut by the end of a piece; returns the bytes taken."""
        wanted = _LARGE_HEADER if self._is_large else _HEADER
        step = min(wanted - len(self._head), len(view))
        self._head += view[:step]
        if len(self._head) == (_LARGE_HEADER if self._is_large else _HEADER):
            self._begin_box(self._head)
            self._head.clear()
        return step

    @property
    def _is_large(self) -> bool:
        """Whether the gathered header has 16 bytes, as far as its beginning tells."""
        return self._head[:4] == b"\0\0\0\1"

    def _begin_box(self, head: bytearray | memoryview) -> int:
        """Read the header of a box; returns its length."""
        size, kind = _BOX(head)
        header = _HEADER
        if size == _LARGE:
            size, header = _LARGE_SIZE(head, _HEADER)[0], _LARGE_HEADER
        if not self._seen and kind != b"ftyp":
            raise NotAVideo(f"not an MP4: it begins with {bytes(head[:8])!r}")
        if size == _TO_THE_END:
            self._open_ended = True
        elif size < header:
            raise NotAVideo(f"not a valid MP4: box {kind!r} has a size of {size} bytes")
        else:
            self._skip = size - header
        self._in_index = kind == b"moov" and b"moov" not in self._seen and self._skip <= MAX_INDEX_BYTES
        self._seen.add(kind)
        return header

    def finish(self) -> None:
        """Check that the file may end here.

        Raises:
            NotAVideo: the file is empty, truncated, or lacks its index or its frames.
        """
        if not self._size:
            raise NotAVideo("the file is empty")
        if self._skip or self._head:
            raise NotAVideo(f"the file ends in the middle of a box, after {self._size} bytes")
        if missing := sorted({b"moov", b"mdat"} - self._seen):
            raise NotAVideo(f"the file has no {missing[0].decode()} box")


def format_of_stored(read_at: Callable[[int, int], bytes], size: int) -> VideoFormat:
    """What a stored file is; only its index is read. `read_at`: from an offset and a size, those bytes."""
    start = read_at(0, min(size, _LARGE_HEADER))
    at = 0
    while at + _HEADER <= size:
        head = read_at(at, min(_LARGE_HEADER, size - at))
        length, header = int.from_bytes(head[:4], "big"), _HEADER
        if length == _LARGE:
            length, header = int.from_bytes(head[8:16], "big"), _LARGE_HEADER
        if head[4:8] == b"moov" and header <= length <= MAX_INDEX_BYTES:
            return read_format(container_of(start), read_at(at + header, length - header))
        if length < header:
            break
        at += length
    return VideoFormat(container_of(start))
