"""A part of a video while it arrives."""

from __future__ import annotations

import base64
from bisect import bisect_right
from collections.abc import Sequence

from storage.bucket.checksums import crc32_of
from storage.bucket.objects import PART_BYTES

SLAB_SIZES = tuple(PART_BYTES >> shift for shift in range(6))
"""From a whole part, 8 MiB, down to 256 KiB."""
MOST_WASTED_BYTES = 2**19
KEPT_BYTES = 64 * 2**20
"""What one host may have under way: so its next videos take no fresh memory after a pause either."""


class Slab(bytearray):
    """Memory into which a part of a video is received. `is_lost`: it is not used again."""

    is_lost = False


class Slabs:
    """Slabs to be used again: fresh memory costs the kernel twice as much work as the bytes that are received into it.
    Use it on one event loop only."""

    def __init__(self, kept_bytes: int = KEPT_BYTES) -> None:
        self._kept_bytes = kept_bytes
        self._free: dict[int, list[Slab]] = {size: [] for size in SLAB_SIZES}
        self._free_bytes = 0

    def take(self, most: int) -> memoryview:
        """Memory of up to `most` bytes, at least 1: all of them in one slab, if more than half of it and all but half a
        MiB is used, else what fills one."""
        size = _slab_size(most)
        if size is None:
            return memoryview(bytearray(most))
        if not (free := self._free[size]):
            return memoryview(Slab(size))[:most]
        self._free_bytes -= size
        return memoryview(free.pop())[:most]

    def give(self, chunks: Sequence[memoryview]) -> None:
        """Take back the slabs of these chunks; nothing may read or write them any more."""
        for slab in {id(chunk.obj): chunk.obj for chunk in chunks}.values():
            if isinstance(slab, Slab) and not slab.is_lost:
                self._free[len(slab)].append(slab)
                self._free_bytes += len(slab)
        while self._free_bytes > self._kept_bytes:
            size = max(SLAB_SIZES, key=lambda size: size * len(self._free[size]))
            self._free[size].pop(0)
            self._free_bytes -= size


def _slab_size(most: int) -> int | None:
    """The size of the slab for up to `most` bytes; None: they are too few for one."""
    for size in SLAB_SIZES:
        if most >= size or (2 * most > size and size - most <= MOST_WASTED_BYTES):
            return size
    return None


def lose(chunks: Sequence[memoryview]) -> None:
    """Use the slabs of these chunks for nothing else: a connection that was given up may still send from them."""
    for chunk in chunks:
        if isinstance(chunk.obj, Slab):
            chunk.obj.is_lost = True


class PartBuffer:
    """The bytes of one part, in the chunks in which they arrived, and their CRC-32.

    Chunks are not joined: that would copy every byte once more.
    """

    def __init__(self) -> None:
        self.chunks: list[memoryview] = []
        self._starts: list[int] = []
        self._size = 0
        self._crc = 0

    def __len__(self) -> int:
        return self._size

    @property
    def is_full(self) -> bool:
        """Whether it has all bytes of a part."""
        return self._size == PART_BYTES

    def take(self, chunk: memoryview) -> int:
        """Keep as many bytes of a chunk as fit, and return their number. The chunk must not change."""
        taken = chunk[: PART_BYTES - self._size]
        self.chunks.append(taken)
        self._starts.append(self._size)
        self._crc = crc32_of(taken, self._crc)  # now, while the bytes are in the processor's cache
        self._size += len(taken)
        return len(taken)

    def read(self, offset: int, size: int) -> bytes:
        """`size` bytes from an offset on, fewer at the end."""
        pieces: list[memoryview] = []
        index = max(bisect_right(self._starts, offset) - 1, 0)
        while size > 0 and index < len(self.chunks):
            skip = offset - self._starts[index]
            pieces.append(self.chunks[index][skip : skip + size])
            size -= len(pieces[-1])
            index += 1
            offset += len(pieces[-1])
        return b"".join(pieces)

    @property
    def crc32(self) -> str:
        """In the form of `x-amz-checksum-crc32`."""
        return base64.b64encode(self._crc.to_bytes(4, "big")).decode()
