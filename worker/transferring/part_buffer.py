"""A part of a video while it arrives."""

from __future__ import annotations

import base64
from bisect import bisect_right
from collections.abc import Sequence

from storage.bucket.checksums import crc32_of
from storage.bucket.objects import PART_BYTES

SLAB_BYTES = 2**20
SMALL_SLAB_BYTES = 2**18
KEPT_SLABS = 32
"""How many of each size."""


class Slab(bytearray):
    """Memory into which a part of a video is received. `is_lost`: it is not used again."""

    is_lost = False


class Slabs:
    """Slabs to be used again: fresh memory costs the kernel as much work as the bytes that are received into it. Use it
    on one event loop only."""

    def __init__(self, kept: int = KEPT_SLABS) -> None:
        self._kept = kept
        self._free: dict[int, list[Slab]] = {SMALL_SLAB_BYTES: [], SLAB_BYTES: []}

    def take(self, size: int) -> memoryview:
        """Memory of `size` bytes, at most `SLAB_BYTES`; more than half of a slab is used."""
        for slab_bytes, free in self._free.items():
            if size <= slab_bytes < 2 * size:
                return memoryview(free.pop() if free else Slab(slab_bytes))[:size]
        return memoryview(bytearray(size))

    def give(self, chunks: Sequence[memoryview]) -> None:
        """Take back the slabs of these chunks; nothing may read or write them any more."""
        for slab in {id(chunk.obj): chunk.obj for chunk in chunks}.values():
            if isinstance(slab, Slab) and not slab.is_lost and len(free := self._free[len(slab)]) < self._kept:
                free.append(slab)


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
