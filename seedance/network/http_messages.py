"""Heads and bodies of HTTP/1.1 messages as bytes. Pure.

Source: RFC 9112 (messages), RFC 9110 (fields).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

import aiohttp

MOST_HEAD_BYTES = 32 * 1024
"""A larger head is refused."""
_STATUS = re.compile(r"HTTP/(1\.[01]|2\.0) +([1-9][0-9]{2})(?: .*)?")  # some programs write 2.0 into a head of 1.1
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_SIZE = re.compile(rb"[0-9A-Fa-f]{1,15}")
_MOST_LINE = 8 * 1024


class NotHttp(aiohttp.ClientError):
    """The other side sent something that is not a response of HTTP/1.1."""


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a response. Names of `headers` are in lower case; lines of one name are joined.

    `length`: of its body in bytes; None: the body is `chunked`, or ends with the connection. `keeps`: the connection
    may be used again once the body was read.
    """

    status: int
    headers: Mapping[str, str]
    length: int | None
    chunked: bool
    keeps: bool


def find_end(data: bytearray, start: int, end: int) -> int:
    """Where the head that begins at `start` ends, -1 if it is not complete. Some servers end lines with LF alone."""
    usual = data.find(b"\n\r\n", start, end)
    bare = data.find(b"\n\n", start, end if usual < 0 else usual)
    if bare >= 0:
        return bare + 2
    return usual + 3 if usual >= 0 else -1


def read_head(text: str, method: str) -> Head:
    """The head of a response to a request with this method.

    Raises:
        NotHttp: it is not one, or says two things about its body.
    """
    if "\0" in text or text.count("\r") != text.count("\r\n"):
        raise NotHttp("the head of the response has a NUL or a lone CR in it")
    first, *lines = text.rstrip("\r\n").split("\n")
    code, is_old = _status_of(first)
    headers: dict[str, str] = {}
    name = ""
    for line in lines:
        word, colon, value = line.partition(":")
        known = _name_of(word)
        if known is None or not colon:
            if line[:1] not in (" ", "\t") or not name:
                raise NotHttp(f"not a header of a response: {line[:80]!r}")
            headers[name] = f"{headers[name]} {line.strip()}"  # an old way to continue a line
            continue
        name, value = known, value.strip()
        if name in headers:
            if name == "content-length":
                raise NotHttp("Duplicate Content-Length")
            value = f"{headers[name]}, {value}"
        headers[name] = value
    words = headers.get("connection", "").lower()
    keeps = "keep-alive" in words if is_old else "close" not in words
    length, chunked = _framing(code, headers, method)
    return Head(code, headers, length, chunked, keeps and (length is not None or chunked))


@lru_cache(maxsize=64)
def _status_of(line: str) -> tuple[int, bool]:
    """The status in the first line of a response, and whether it is of HTTP/1.0. Servers use few such lines."""
    found = _STATUS.fullmatch(line.rstrip("\r"))
    if found is None:
        raise NotHttp("Bad status line")
    return int(found[2]), found[1] == "1.0"


@lru_cache(maxsize=256)
def _name_of(word: str) -> str | None:
    """The name of a header in lower case, None if it is none. Servers use few names."""
    return None if _NAME.fullmatch(word) is None else word.lower()


def _framing(status: int, headers: Mapping[str, str], method: str) -> tuple[int | None, bool]:
    if method == "HEAD" or status < 200 or status in (204, 304):
        return 0, False
    coding = headers.get("transfer-encoding")
    if coding is not None:
        if "content-length" in headers:  # a proxy on the way may have believed the other one
            raise NotHttp("the response has both Transfer-Encoding and Content-Length")
        return None, coding.lower().rpartition(",")[2].strip() == "chunked"
    said = headers.get("content-length")
    if said is None:
        return None, False
    lengths = {part.strip() for part in said.split(",")} if "," in said else {said}
    only = lengths.pop()
    if lengths or not only.isascii() or not only.isdecimal():
        raise NotHttp(f"not a Content-Length: {said[:80]!r}")
    return int(only), False


def header_lines(headers: Mapping[str, str]) -> str:
    """Headers as the lines of a head.

    Raises:
        ValueError: one of them has a line break or NUL in it.
    """
    text = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    _check(text, len(headers))
    return text


def write_head(first: str, lines: str) -> bytes:
    """The head of a request from its first line and its `header_lines`.

    Raises:
        ValueError: the first line has a line break or NUL in it.
    """
    _check(first, 0)
    return f"{first}\r\n{lines}\r\n".encode("utf-8", "surrogateescape")


def _check(text: str, ends: int) -> None:
    if text.count("\n") != ends or text.count("\r") != ends or "\0" in text:
        raise ValueError("a header has a line break or NUL in it")


class Chunks:
    """Decodes a chunked body, piece by piece."""

    def __init__(self) -> None:
        self.ended = False
        self.excess = False
        """More came than the body."""
        self._line = b""
        self._left = 0
        self._expects = "size"

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The next bytes of the body.

        Raises:
            NotHttp: it is not a chunked body.
        """
        while data and not self.ended:
            if self._left:
                piece, data = data[: self._left], data[self._left :]
                self._left -= len(piece)
                yield piece
                continue
            line, newline, data = data.partition(b"\n")
            self._line += line
            if len(self._line) > _MOST_LINE:
                raise NotHttp("a line of a chunked body is too long")
            if newline:
                whole, self._line = self._line.removesuffix(b"\r"), b""
                self._read_line(whole)
        self.excess = self.excess or bool(data)

    def _read_line(self, line: bytes) -> None:
        if self._expects == "size":
            size = line.partition(b";")[0].strip()
            if _SIZE.fullmatch(size) is None:
                raise NotHttp(f"not the size of a chunk: {line[:80]!r}")
            self._left = int(size, 16)
            self._expects = "end" if self._left else "trailer"
        elif self._expects == "end":
            if line:
                raise NotHttp(f"a chunk is longer than it says: {line[:80]!r}")
            self._expects = "size"
        else:
            self.ended = not line
