"""Request bodies with `Content-Encoding: gzip`, piece by piece, so that a small body cannot fill the memory."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Protocol

from producer.http.problems import ApiProblem

CLOSE = {"Connection": "close"}
_PIECE_BYTES = 64 * 1024


class Unpacker(Protocol):
    """Undoes a content coding."""

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        """What a part of the body becomes, in pieces of at most 64 KiB."""
        ...

    def end(self) -> None:
        """Check that the body is complete.

        Raises:
            ApiProblem: it is not.
        """
        ...


class _Plain:
    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        yield chunk

    def end(self) -> None:
        """A plain body ends where the connection says."""


class _Gzip:
    def __init__(self) -> None:
        self._inner = zlib.decompressobj(31)
        self._begun = False

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        rest = chunk
        try:
            while rest:
                if self._inner.eof:  # gzip files may follow each other
                    self._inner = zlib.decompressobj(31)
                self._begun = True
                piece = self._inner.decompress(rest, _PIECE_BYTES)
                rest = self._inner.unused_data if self._inner.eof else self._inner.unconsumed_tail
                if piece:
                    yield piece
            while not self._inner.eof and (piece := self._inner.decompress(b"", _PIECE_BYTES)):
                yield piece
        except zlib.error as exc:
            raise _broken("is not valid gzip") from exc

    def end(self) -> None:
        if self._begun and not self._inner.eof:
            raise _broken("ends in the middle of its gzip stream")


def unpacker(coding: str) -> Unpacker:
    """What undoes a `Content-Encoding`.

    Raises:
        ApiProblem: it is neither gzip nor none (415).
    """
    match coding.strip().lower():
        case "" | "identity":
            return _Plain()
        case "gzip" | "x-gzip":
            return _Gzip()
    detail = "Content-Encoding must be gzip, or none"
    raise ApiProblem(415, "unsupported_content_encoding", detail, headers=CLOSE | {"Accept-Encoding": "gzip"})


def _broken(problem: str) -> ApiProblem:
    return ApiProblem(400, "invalid_content_encoding", f"the body {problem}", headers=CLOSE)
