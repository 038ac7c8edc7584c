"""A part of a video while it arrives."""

from __future__ import annotations

import base64
import zlib

from storage.objects import PART_BYTES

_UNKNOWN_BYTES = 2**20


class PartBuffer:
    """Up to a part's bytes and their CRC-32, which is taken of each chunk while the processor still has it at hand."""

    def __init__(self, expected: int | None) -> None:
        # All at once: a bytearray that grows beside others is copied again and again.
        self._data = bytearray(min(_UNKNOWN_BYTES if expected is None else expected, PART_BYTES))
        self._filled = 0
        self._crc = 0

    def __len__(self) -> int:
        return self._filled

    @property
    def is_full(self) -> bool:
        """Whether it has a part's bytes."""
        return self._filled == PART_BYTES

    def take(self, chunk: memoryview) -> int:
        """Take as much of a chunk as there is room for: how many bytes."""
        taken = chunk[: PART_BYTES - self._filled]
        end = self._filled + len(taken)
        if end > len(self._data):
            room = min(max(2 * len(self._data), end), PART_BYTES)
            self._data += bytes(room - len(self._data))
        memoryview(self._data)[self._filled : end] = taken
        self._crc = zlib.crc32(taken, self._crc)
        self._filled = end
        return len(taken)

    def finish(self) -> bytearray:
        """The bytes; nothing more is taken."""
        if self._filled < len(self._data):
            del self._data[self._filled :]
        return self._data

    @property
    def crc32(self) -> str:
        """In the form of `x-amz-checksum-crc32`."""
        return base64.b64encode(self._crc.to_bytes(4, "big")).decode()
