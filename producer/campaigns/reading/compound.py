"""The container of XLS files ([MS-CFB]): whether its chains of sectors end. xlrd follows one that does not for ever."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Final

_HEADER: Final = 512
_IN_HEADER = 109
"""The numbers of so many sectors of the table stand in the header; others in sectors of their own."""


def has_endless_chain(content: bytes) -> bool:
    """Whether following a chain of sectors, or of small sectors, would come back to where it was."""
    if len(content) < _HEADER:
        return False
    (shift,) = struct.unpack_from("<H", content, 30)
    size = 1 << (shift if shift <= 20 else 9)  # as xlrd takes it
    first_small, _, first_more = struct.unpack_from("<iii", content, 60)
    numbers = list(struct.unpack_from(f"<{_IN_HEADER}i", content, 76))
    numbers += _more_numbers(content, size, first_more)
    table = [entry for number in numbers for entry in _sector(content, size, number)]
    if _cycles(table):
        return True
    small = [entry for number in _chain(table, first_small) for entry in _sector(content, size, number)]
    return _cycles(small)


def _sector(content: bytes, size: int, number: int) -> Sequence[int]:
    """The entries of one sector of a table; those beyond the end of the file are left out."""
    if number < 0:
        return ()
    piece = content[_HEADER + number * size : _HEADER + (number + 1) * size] if number * size < len(content) else b""
    return struct.unpack(f"<{len(piece) // 4}i", piece[: len(piece) // 4 * 4])


def _more_numbers(content: bytes, size: int, number: int) -> Iterator[int]:
    seen: set[int] = set()
    while number >= 0 and number not in seen:
        seen.add(number)
        *numbers, number = _sector(content, size, number) or (-1,)
        yield from numbers


def _chain(table: Sequence[int], number: int) -> Iterator[int]:
    while 0 <= number < len(table):
        yield number
        number = table[number]


def _cycles(table: Sequence[int]) -> bool:
    """Whether any entry leads back to itself: each is looked at once."""
    walked = [-1] * len(table)
    for start in range(len(table)):
        number = start
        while 0 <= number < len(table) and walked[number] < 0:
            walked[number] = start
            number = table[number]
        if 0 <= number < len(table) and walked[number] == start:
            return True
    return False
