"""The bytes of one file; any range can be read without holding the whole file in memory."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass

CHUNK = 256 * 1024
_PAD = random.Random("padding").randbytes(1024 * 1024 + 3)  # noqa: S311 - filler; the odd length hides repeats


@dataclass(frozen=True, slots=True)
class Content:
    """Leading bytes, then deterministic filler up to `size`."""

    parts: tuple[bytes, ...]
    size: int
    shift: int = 0
    """Offset of this file in the filler, so that two files differ throughout."""

    def read(self, start: int = 0, end: int | None = None) -> Iterator[bytes | memoryview]:
        """The bytes [start, end) in chunks of at most `CHUNK`."""
        end = self.size if end is None else min(end, self.size)
        at = 0
        for part in self.parts:
            low, high = max(start - at, 0), min(end - at, len(part))
            view = memoryview(part)
            for begin in range(low, high, CHUNK):
                yield view[begin : min(begin + CHUNK, high)]
            at += len(part)
        position = max(start, at)
        filler = memoryview(_PAD)
        while position < end:
            begin = (position + self.shift) % len(_PAD)
            length = min(CHUNK, end - position, len(_PAD) - begin)
            yield filler[begin : begin + length]
            position += length

    def sha256(self) -> str:
        digest = hashlib.sha256()
        for piece in self.read():
            digest.update(piece)
        return digest.hexdigest()
