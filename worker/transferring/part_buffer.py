"""A part of a video while it arrives."""

from __future__ import annotations

import base64
import zlib
from bisect import bisect_right

from storage.bucket.objects import PART_BYTES


class PartBuffer:
    """Up to a part's bytes, as the chunks in which they came, and their CRC-32. Whoever needs it whole reads it there:
    putting chunks together would copy every byte once more."""

    def __init__(self) -> None:
        self.chunks: list[memoryview] = []
        self._starts: list[int] = []
        self._size = 0
        self._crc = 0

    def __len__(self) -> int:
        return self._size

    @property
    def is_full(self) -> bool:
        """Whether it has a part's bytes."""
        return self._size == PART_BYTES

    def take(self, chunk: memoryview) -> int:
        """Take as much of a chunk, which never changes, as there is room for: how many bytes."""
        taken = chunk[: PART_BYTES - self._size]
        self.chunks.append(taken)
        self._starts.append(self._size)
        self._crc = zlib.crc32(taken, self._crc)  # now, while the processor has it at hand
        self._size += len(taken)
        return len(taken)

    def read(self, offset: int, size: int) -> bytes:
        """So many bytes from an offset on, fewer at its end."""
        found: list[memoryview] = []
        index = max(bisect_right(self._starts, offset) - 1, 0)
        while size > 0 and index < len(self.chunks):
            skip = offset - self._starts[index]
            found.append(self.chunks[index][skip : skip + size])
            size -= len(found[-1])
            index += 1
            offset += len(found[-1])
        return b"".join(found)

    @property
    def crc32(self) -> str:
        """In the form of `x-amz-checksum-crc32`."""
        return base64.b64encode(self._crc.to_bytes(4, "big")).decode()
