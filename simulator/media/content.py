"""The bytes of one file, of which any range can be had without holding them all."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass

CHUNK = 256 * 1024
_PAD = random.Random("padding").randbytes(1024 * 1024 + 3)  # noqa: S311 - filler; the odd length hides repeats


@dataclass(frozen=True, slots=True)
class Content:
    """Some leading bytes, then deterministic filler up to `size`."""

    parts: tuple[bytes, ...]
    size: int
    shift: int = 0
    """Where in the filler this file begins: two files differ all the way."""

    def read(self, start: int = 0, end: int | None = None) -> Iterator[bytes | memoryview]:
        """The bytes [start, end) in pieces of at most `CHUNK`."""
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
