"""Detect the encoding of a text file from the whole file; if it is unclear, ask the user to name it.

A wrong guess is billed: the bytes of 一只猫 in GBK are valid UTF-8, and a video of "һֻè" costs as much as one of a cat.
So an encoding is accepted only if the whole file is valid in it and its text is far likelier than in any other.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final

from seedance.problems import InvalidInput, Problem, shorten

_BLOCK = 2**20
_LINE_END = b"\n"
_MAX_WEIGHED, _MAX_PIECES = 500, 200_000
"""A few hundred pieces of text suffice to detect the encoding; all pieces are then checked against it."""
_MARGIN_BITS = 16.0
_MOJIBAKE_BITS = 15.5
"""Chinese texts have 9 to 14 bits per character; text decoded with the wrong encoding has 17 and more."""
_HANJA_BITS = 8.0
"""Chinese characters are rare in modern Korean."""
_PRIOR_BITS = (0.0, 8.0, 18.0)
"""For UTF-8, the Chinese encodings, and all others. Most files are UTF-8, and few texts in other encodings happen to be
valid UTF-8."""
_SAMPLE_CHARS, _MAX_SAMPLES = 24, 3


@dataclass(frozen=True, slots=True)
class Encoding:
    """An encoding: its common name, Python's name for it, and the length of its byte order mark in bytes."""

    name: str
    codec: str
    mark: int = 0

    @property
    def is_plain(self) -> bool:
        """Whether it is UTF-8, with or without a byte order mark: not worth a note."""
        return self.name == "UTF-8"


UTF_8, GB18030 = Encoding("UTF-8", "utf-8"), Encoding("GB18030", "gb18030")
_READ: Final = (UTF_8, GB18030, Encoding("Big5", "cp950"), Encoding("Big5-HKSCS", "big5hkscs"))
"""Encodings that are read without asking."""
_NAMED: Final = tuple(
    Encoding(name, codec)
    for name, codec in (
        ("windows-1252", "cp1252"),
        ("windows-1250", "cp1250"),
        ("windows-1251", "cp1251"),
        ("Shift_JIS", "cp932"),
        ("EUC-JP", "euc_jp"),
        ("EUC-KR", "cp949"),
        ("macintosh", "mac_roman"),
    )
)
"""Encodings that are only proposed; they are read if the user names them."""
_MARKS: Final = (
    (codecs.BOM_UTF8, "UTF-8", "utf-8"),
    (codecs.BOM_UTF32_LE, "UTF-32 LE", "utf-32-le"),
    (codecs.BOM_UTF32_BE, "UTF-32 BE", "utf-32-be"),
    (codecs.BOM_UTF16_LE, "UTF-16 LE", "utf-16-le"),
    (codecs.BOM_UTF16_BE, "UTF-16 BE", "utf-16-be"),
)
# ASCII letters can be second bytes in GBK and Big5, digits in GB18030; any other ASCII byte ends a piece.
_PIECE = re.compile(rb"[0-9\x40-\xff]+")
_TWO_BYTES_EACH = re.compile(rb"(?:[\xc2-\xdf][\x80-\xbf]|[\x00-\x7f])+")


@dataclass(frozen=True, slots=True)
class _Reading:
    """The pieces decoded with one encoding; `costs`: the bits of each."""

    encoding: Encoding
    texts: Sequence[str]
    costs: Sequence[float]

    @property
    def bits(self) -> float:
        rank = 0 if self.encoding == UTF_8 else 1 if self.encoding in _READ else 2
        return sum(self.costs) + _PRIOR_BITS[rank]


def encoding_of(where: str, file: BinaryIO, given: str | None = None) -> Encoding:
    """The encoding of a text file; `given` is the encoding that the user names. Changes the file's position.

    Raises:
        InvalidInput: it is not text, or not in the given encoding; or the encoding is unclear: then the error names the
            plausible ones, with a sample of each.
    """
    file.seek(0)
    head = file.read(4)
    if given is not None:
        return _given(where, file, given, head)
    for mark, name, codec in _MARKS:
        if head.startswith(mark):
            return _valid(where, file, Encoding(name, codec, len(mark)))
    if _has_nul(file):
        return _without_mark(where, file)
    pieces = _pieces(file)
    if not pieces:
        return UTF_8
    weighed = pieces[:_MAX_WEIGHED]
    readings = [found for item in (*_READ, *_NAMED) if (found := _reading(file, item, weighed)) is not None]
    best = _decide(where, file, readings)
    for piece in pieces:
        _check_agrees(where, piece, best)
    return best


def _decide(where: str, file: BinaryIO, readings: list[_Reading]) -> Encoding:
    readings.sort(key=lambda reading: reading.bits)
    if not readings:
        raise InvalidInput([Problem("", _not_utf_8(file))], where)
    best = readings[0]
    rivals = [item for item in readings if item.bits < best.bits + _MARGIN_BITS and item.texts != best.texts]
    if rivals or best.encoding not in _READ:
        raise _unclear(where, file, [best, *rivals] if best.encoding in _READ else readings)
    letters = sum(not char.isascii() for text in best.texts for char in text)
    if best.encoding != UTF_8 and sum(best.costs) > _MOJIBAKE_BITS * letters:
        raise _unclear(where, file, readings)
    return best.encoding


def _check_agrees(where: str, piece: bytes, encoding: Encoding) -> None:
    """Check one piece against the encoding of the file: files that were joined may have two encodings.

    Raises:
        InvalidInput: between UTF-8 and GB18030, the piece is much likelier in the other one.
    """
    other = GB18030 if encoding == UTF_8 else UTF_8
    if encoding == UTF_8 and not _TWO_BYTES_EACH.fullmatch(piece):
        return  # only UTF-8 looks like that
    here, there = _decoded(piece, encoding), _decoded(piece, other)
    if here and there and _bits_of(there) + 2 * _MARGIN_BITS < _bits_of(here):
        message = f"is {encoding.name} in most places, but {shorten(here)} seems to be {other.name} ({shorten(there)})"
        raise InvalidInput([Problem("", f"{message}; save the whole file in one encoding")], where)


def _decoded(piece: bytes, encoding: Encoding) -> str:
    """A piece as text; "": it is not valid."""
    try:
        return piece.decode(encoding.codec)
    except UnicodeDecodeError:
        return ""


def _reading(file: BinaryIO, encoding: Encoding, pieces: Sequence[bytes]) -> _Reading | None:
    """The pieces decoded with an encoding; None: the file is not valid in it."""
    if _broken_at(file, encoding) is not None:
        return None
    texts = [_decoded(piece, encoding) for piece in pieces]  # "": a very long line was cut within a character
    more = _HANJA_BITS if encoding.codec == "cp949" else 0.0
    return _Reading(encoding, texts, [_bits_of(text, more) for text in texts])


def _bits_of(text: str, for_hanzi: float = 0.0) -> float:
    """How unlikely a text is, in bits; `for_hanzi`: added for each Chinese character."""
    # Imported here: its tables take 4 ms, and a file in ASCII needs none of them.
    from producer.campaigns.reading.encodings.likelihood import bits_of, count_hanzi

    return bits_of(text) + for_hanzi * count_hanzi(text)


def _pieces(file: BinaryIO) -> list[bytes]:
    """Different pieces of the file that are not pure ASCII, in order, up to a limit."""
    found: dict[bytes, None] = {}
    for line in _lines(file):
        if not line.isascii():
            found.update(dict.fromkeys(piece for piece in _PIECE.findall(line) if not piece.isascii()))
        if len(found) >= _MAX_PIECES:
            break
    return list(found)


def _lines(file: BinaryIO) -> Iterator[bytes]:
    file.seek(0)
    while line := file.readline(_BLOCK):
        yield line


# --- UTF-16 ----------------------------------------------------------------------------------------------------------


def _has_nul(file: BinaryIO) -> bool:
    return any(b"\0" in block for block in _blocks(file))


def _without_mark(where: str, file: BinaryIO) -> Encoding:
    """UTF-16 without a byte order mark: certain if one byte order gives line ends and ASCII, and the other none."""
    found = []
    for encoding in (Encoding("UTF-16 LE", "utf-16-le"), Encoding("UTF-16 BE", "utf-16-be")):
        if _broken_at(file, encoding) is None:
            file.seek(0)
            text = file.read(2**16).decode(encoding.codec, "ignore")
            found.append((sum(char.isascii() for char in text), "\0" not in text and "\n" in text, encoding))
    if len(found) == 2 and min(found, key=lambda item: item[0])[0] > 0:
        found = []
    for _, certain, encoding in sorted(found, key=lambda item: -item[0])[:1]:
        if certain:
            return encoding
    raise InvalidInput([Problem("", "holds NUL bytes: it is not a text file")], where)


# --- encodings that are given ----------------------------------------------------------------------------------------


def _given(where: str, file: BinaryIO, given: str, head: bytes) -> Encoding:
    try:
        b"".decode(given)
        name = codecs.lookup(given).name
    except (LookupError, ValueError, UnicodeError):
        known = ", ".join(item.name for item in (*_READ, *_NAMED))
        message = f"{shorten(given)} is not an encoding; use one of UTF-16, {known}"
        raise InvalidInput([Problem("encoding", message)]) from None
    codec = _WIDER.get(name, name)
    marks = {"utf-8": 1, "utf-8-sig": 1, "utf-16": 2, "utf-16-le": 2, "utf-16-be": 2, "utf-32": 2}
    if codec in marks:
        for mark, name, codec_of_mark in _MARKS:
            if head.startswith(mark):
                return _valid(where, file, Encoding(name, codec_of_mark, len(mark)))
        codec = {"utf-8-sig": "utf-8", "utf-16": "utf-16-le", "utf-32": "utf-32-le"}.get(codec, codec)
    names = {item.codec: item.name for item in (*_READ, *_NAMED)}
    return _valid(where, file, Encoding(names.get(codec, given), codec))


_WIDER = {"gbk": "gb18030", "gb2312": "gb18030", "big5": "cp950", "shift_jis": "cp932", "euc_kr": "cp949"}
"""Programs write more characters under these names than the standards of the names have."""


# --- validity --------------------------------------------------------------------------------------------------------


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    file.seek(0)
    while block := file.read(_BLOCK):
        yield block


def _broken_at(file: BinaryIO, encoding: Encoding) -> int | None:
    """The position of the first invalid byte, counted from 0; None: all are valid."""
    decoder = codecs.getincrementaldecoder(encoding.codec)("strict")
    done = 0
    for block in _blocks(file):
        waiting = len(decoder.getstate()[0])
        try:
            decoder.decode(block)
        except UnicodeDecodeError as exc:
            return done - waiting + exc.start
        done += len(block)
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return done
    return None


def _valid(where: str, file: BinaryIO, encoding: Encoding) -> Encoding:
    if (place := _broken_at(file, encoding)) is not None:
        message = f"is not {encoding.name} text ({_place(file, place)})"
        raise InvalidInput([Problem("", message)], where)
    return encoding


def _not_utf_8(file: BinaryIO) -> str:
    place = _broken_at(file, UTF_8) or 0
    return f"is not text in a known encoding: not UTF-8 ({_place(file, place)}), not GB18030, not Big5"


def _place(file: BinaryIO, place: int) -> str:
    """The position of a byte as line and byte, as editors show it."""
    file.seek(0)
    before = file.read(min(place, 2**28))
    return f"line {before.count(_LINE_END) + 1}, byte {place - before.rfind(_LINE_END)}"


# --- asking ----------------------------------------------------------------------------------------------------------


def _unclear(where: str, file: BinaryIO, readings: Sequence[_Reading]) -> InvalidInput:
    if (number := _line_beside_utf_8(file)) is not None:
        return InvalidInput(
            [Problem("", f"is UTF-8, but not in line {number}; save the whole file in one encoding")], where
        )
    utf_8 = "" if any(item.encoding == UTF_8 for item in readings) else f"is not UTF-8 ({_first_broken(file)}), and "
    samples = "; ".join(f"{item.encoding.name}: {_sample(item)}" for item in _distinct(readings))
    name = readings[0].encoding.name
    message = f"{utf_8}its encoding is unclear. It may be {samples}"
    advice = f"Name the right one, as in --encoding {name}, or save the file as UTF-8"
    return InvalidInput([Problem("", f"{message}. {advice}")], where)


def _line_beside_utf_8(file: BinaryIO) -> int | None:
    """The first line that is not UTF-8, in a file where another line is certainly UTF-8; None: there is none."""
    broken = None
    certain = False
    for number, line in enumerate(_lines(file), 1):
        try:
            line.decode()
        except UnicodeDecodeError:
            broken = broken or number
        else:
            certain = certain or not _TWO_BYTES_EACH.fullmatch(line)
    return broken if certain else None


def _first_broken(file: BinaryIO) -> str:
    return _place(file, _broken_at(file, UTF_8) or 0)


def _distinct(readings: Sequence[_Reading]) -> list[_Reading]:
    """The likeliest readings, without those that give the same text."""
    found: list[_Reading] = []
    for item in readings:
        if all(item.texts != other.texts for other in found):
            found.append(item)
    return found[:_MAX_SAMPLES]


def _sample(reading: _Reading) -> str:
    """The longest of the first pieces: people see at once whether it is their text."""
    return shorten(max(reading.texts[:50], key=len)[:_SAMPLE_CHARS])
