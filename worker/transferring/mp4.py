"""Check that a stream is a complete MP4: follow its boxes without keeping the bytes."""

from __future__ import annotations

_HEADER, _LARGE_HEADER = 8, 16
_TO_THE_END = 0
_LARGE = 1


class NotAVideo(Exception):
    """The bytes are not a complete MP4; the text says what is wrong."""


class Mp4Check:
    """Checks an MP4 piece by piece: it begins with `ftyp`, has `moov` and `mdat`, and its last box ends with the file.

    Source: ISO/IEC 14496-12 §4.2 (boxes) and §4.3 (file type box).
    """

    def __init__(self) -> None:
        self._head = bytearray()
        self._skip = 0  # bytes of the current box still to come
        self._open_ended = False
        self._seen: set[bytes] = set()
        self._size = 0

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Check the next bytes.

        Raises:
            NotAVideo: they cannot be part of an MP4.
        """
        view = memoryview(data)
        self._size += len(view)
        position = 0
        while position < len(view) and not self._open_ended:
            if self._skip:
                step = min(self._skip, len(view) - position)
                self._skip -= step
                position += step
                continue
            wanted = _LARGE_HEADER if self._head[:4] == b"\0\0\0\1" else _HEADER
            step = min(wanted - len(self._head), len(view) - position)
            self._head += view[position : position + step]
            position += step
            if len(self._head) == wanted and not (wanted == _HEADER and self._head[:4] == b"\0\0\0\1"):
                self._begin_box()

    def _begin_box(self) -> None:
        kind = bytes(self._head[4:8])
        size = int.from_bytes(self._head[:4], "big")
        header = len(self._head)
        if size == _LARGE:
            size = int.from_bytes(self._head[8:16], "big")
        if not self._seen and kind != b"ftyp":
            raise NotAVideo(f"not an MP4: it begins with {bytes(self._head[:8])!r}")
        if size == _TO_THE_END:
            self._open_ended = True
        elif size < header:
            raise NotAVideo(f"not a valid MP4: box {kind!r} has a size of {size} bytes")
        else:
            self._skip = size - header
        self._seen.add(kind)
        self._head.clear()

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
