"""A part buffer keeps bytes in order up to its size and returns any range of them."""

from __future__ import annotations

import os
import random

import pytest

from storage.bucket.checksums import crc32
from storage.bucket.objects import PART_BYTES
from worker.transferring.part_buffer import PartBuffer

DATA = os.urandom(PART_BYTES + 100)


@pytest.mark.parametrize("step", [7_001, 3 * 2**20, PART_BYTES + 100])
def test_a_buffer_holds_the_bytes_of_one_part(step: int) -> None:
    part, taken = PartBuffer(), 0
    for start in range(0, len(DATA), step):
        taken += part.take(memoryview(DATA)[start : start + step])
    assert (taken, len(part), part.is_full) == (PART_BYTES, PART_BYTES, True)
    assert b"".join(part.chunks) == DATA[:PART_BYTES]
    assert part.crc32 == crc32(DATA[:PART_BYTES])


def test_any_range_of_a_buffer_can_be_read() -> None:
    source, part, end = random.Random(1), PartBuffer(), 0
    while end < 5000:
        end += part.take(memoryview(DATA)[end : end + source.randint(1, 700)])
    whole = DATA[:end]
    cases = [(0, end), (0, 0), (end, 10), (end - 1, 10), (end + 5, 1), (0, end + 5)]
    for offset, size in [*cases, *((source.randrange(end), source.randrange(2000)) for _ in range(300))]:
        assert part.read(offset, size) == whole[offset : offset + size], (offset, size)


def test_an_empty_buffer_has_no_bytes() -> None:
    part = PartBuffer()
    assert (len(part), part.is_full, part.crc32, part.read(0, 10)) == (0, False, crc32(b""), b"")
