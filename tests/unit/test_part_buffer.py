"""A part keeps what it is given, in order, up to its size."""

from __future__ import annotations

import os

import pytest

from storage.objects import PART_BYTES, crc32
from worker.part_buffer import PartBuffer

DATA = os.urandom(PART_BYTES + 100)


@pytest.mark.parametrize("expected", [None, 0, 10, PART_BYTES, 3 * PART_BYTES], ids=str)
@pytest.mark.parametrize("step", [70_001, 3 * 2**20, PART_BYTES + 100])
def test_it_holds_what_it_was_given(expected: int | None, step: int) -> None:
    part, taken = PartBuffer(expected), 0
    for start in range(0, len(DATA), step):
        taken += part.take(memoryview(DATA)[start : start + step])
    assert (taken, len(part), part.is_full) == (PART_BYTES, PART_BYTES, True)
    assert part.finish() == DATA[:PART_BYTES]
    assert part.crc32 == crc32(DATA[:PART_BYTES])


@pytest.mark.parametrize("expected", [None, 5, 2**20], ids=str)
def test_less_than_was_expected_is_all_there_is(expected: int | None) -> None:
    part = PartBuffer(expected)
    assert part.finish() == b""
    part = PartBuffer(expected)
    part.take(memoryview(b"abc"))
    assert part.finish() == b"abc"
    assert (len(part), part.is_full, part.crc32) == (3, False, crc32(b"abc"))
