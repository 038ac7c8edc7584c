"""Undo a compression that was not asked for: some servers compress in spite of `Accept-Encoding: identity`, or name a
compression that they did not use.

The bytes decide. Gzip, zlib and zstd are recognised by their first bytes; raw deflate and Brotli have no mark, so they
count only if the header names them and the bytes are not plainly something else.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any, Literal

Coding = Literal["gzip", "zlib", "deflate", "br", "zstd"]

STEP_BYTES = 2**20
"""The most that is decompressed at once."""
_FEED_BYTES = 4096
_ZSTD_FEED_BYTES = 64
"""Its libraries take no limit for the output: a block of 4 bytes may stand for 128 KiB."""
_TAIL_BYTES = 32
_LAYERS = 3
HEAD_BYTES = 12
"""How many bytes are needed to recognise a compression."""
_GZIP = b"\x1f\x8b\x08"
_ZSTD = b"\x28\xb5\x2f\xfd"
_PLAIN = (b"{", b"[", b"<", b'"', b"\x89PNG", b"\xff\xd8\xff")


def coding_of(head: bytes, header: str) -> Coding | None:
    """How bytes that begin with `head` are compressed, None if they are not. `header`: `Content-Encoding`, or ""."""
    if head.startswith(_GZIP):
        return "gzip"
    if head.startswith(_ZSTD):
        return "zstd" if _zstd() is not None else None
    if _is_plain(head):
        return None
    if len(head) > 1 and head[0] == 0x78 and (head[0] << 8 | head[1]) % 31 == 0:
        return "zlib"
    named = _last(header)
    if named == "deflate":
        return "deflate"
    return "br" if named == "br" and _brotli() is not None else None


def missing_package(head: bytes, header: str) -> str | None:
    """The Python package that would decompress bytes that begin with `head`, None if none is missing. `header`:
    `Content-Encoding`, or ""."""
    if head.startswith(_ZSTD):
        return "zstandard" if _zstd() is None else None
    unread = _last(header) == "br" and not _is_plain(head) and coding_of(head, header) is None
    return "brotli" if unread else None


def _last(header: str) -> str:
    return header.lower().split(",")[-1].strip()


def _is_plain(head: bytes) -> bool:
    return head.lstrip().startswith(_PLAIN) or head[4:8] in (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide")


class Decompressor:
    """One compressed stream."""

    def __init__(self, coding: Coding) -> None:
        self._coding = coding
        self._zlib: Any = _zlib_for(coding)
        self._other = None if self._zlib is not None else _other_for(coding)
        self._between = b""
        self._is_over = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What these further bytes stand for, in pieces of at most about 1 MiB.

        Raises:
            ValueError: they are damaged.
        """
        try:
            if self._other is not None:
                yield from self._other(data)
            else:
                yield from self._inflate(data)
        except ValueError:
            raise
        except Exception as exc:  # each library has its own class
            raise ValueError(f"the {self._coding} stream is damaged: {exc}") from exc

    def _inflate(self, data: bytes) -> Iterator[bytes]:
        while data and not self._is_over:
            if self._zlib.eof:
                data, self._between = self._between + data, b""
                if self._coding != "gzip" or not data.startswith(_GZIP[: len(data)]):
                    self._is_over = True  # what follows is padding; zlib would keep all of it
                    return
                if len(data) < len(_GZIP):
                    self._between = data
                    return
                self._zlib = _zlib_for(self._coding)  # gzip may have several members
            piece = self._zlib.decompress(data, STEP_BYTES)
            data = self._zlib.unused_data if self._zlib.eof else self._zlib.unconsumed_tail
            if piece:
                yield piece
            while not data and not self._zlib.eof and (piece := self._zlib.decompress(b"", STEP_BYTES)):
                yield piece  # what the last bytes stand for beyond the limit of one step

    @property
    def is_complete(self) -> bool:
        """Whether the stream has ended, as far as its library tells."""
        return self._zlib is None or self._zlib.eof


def decompressed(body: bytes, header: str, limit: int) -> bytes:
    """A whole body without its compression, as far as it can be read: the end of a stream that is damaged or cut is
    missing. Unchanged if it is not compressed.

    Raises:
        OverflowError: it has more than `limit` bytes.
    """
    for _ in range(_LAYERS):
        coding = coding_of(body[:HEAD_BYTES], header)
        if coding is None:
            break
        found = bytearray()
        stream = Decompressor(coding)
        try:
            for fed in _pieces(body):
                for piece in stream.feed(fed):
                    found += piece
                    if len(found) > limit:
                        raise OverflowError(f"more than {limit} bytes once decompressed")
        except ValueError:
            pass
        if not found:
            break
        body, header = bytes(found), header.rpartition(",")[0]
    return body


def _pieces(body: bytes) -> Iterator[bytes]:
    """A body in small pieces, its last bytes one by one: what comes before a damaged place, such as a wrong checksum at
    the end, is read."""
    end = max(0, len(body) - _TAIL_BYTES)
    for start in range(0, end, _FEED_BYTES):
        yield body[start : min(start + _FEED_BYTES, end)]
    for start in range(end, len(body)):
        yield body[start : start + 1]


def _zlib_for(coding: Coding) -> Any:
    bits = {"gzip": 16 + zlib.MAX_WBITS, "zlib": zlib.MAX_WBITS, "deflate": -zlib.MAX_WBITS}.get(coding)
    return None if bits is None else zlib.decompressobj(bits)


def _other_for(coding: Coding) -> Callable[[bytes], Iterator[bytes]]:
    if coding == "br":
        stream = _brotli().Decompressor()

        def unpack(data: bytes) -> Iterator[bytes]:
            piece = stream.process(data, output_buffer_limit=STEP_BYTES)
            while piece or not stream.can_accept_more_data():
                yield piece
                piece = stream.process(b"", output_buffer_limit=STEP_BYTES)

        return unpack
    stream = _zstd().ZstdDecompressor()
    decompress = stream.decompressobj().decompress if hasattr(stream, "decompressobj") else stream.decompress

    def unpack_slowly(data: bytes) -> Iterator[bytes]:
        for start in range(0, len(data), _ZSTD_FEED_BYTES):
            yield decompress(data[start : start + _ZSTD_FEED_BYTES])

    return unpack_slowly


def _brotli() -> Any:
    """A library that bounds its output; older ones turn a kilobyte into gigabytes."""
    library = _first("brotli", "brotlicffi")
    return library if hasattr(getattr(library, "Decompressor", None), "can_accept_more_data") else None


def _zstd() -> Any:
    return _first("compression.zstd", "backports.zstd", "zstandard")


def _first(*names: str) -> Any:
    for name in names:
        try:
            return import_module(name)
        except ImportError:
            continue
    return None
