"""Heads and chunked bodies of HTTP/1.1 are read as they are meant, or refused."""

from __future__ import annotations

import pytest

from seedance.network.http_messages import Chunks, NotHttp, find_end, header_lines, read_head, write_head

USUAL = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: "a"\r\n\r\n'


def test_a_head_says_what_its_body_is() -> None:
    head = read_head(USUAL, "GET")
    assert (head.status, head.length, head.chunked, head.keeps) == (200, 5, False, True)
    assert head.headers == {"content-length": "5", "etag": '"a"'}


@pytest.mark.parametrize(
    ("text", "method", "length", "chunked", "keeps"),
    [
        ("HTTP/1.1 200 OK\r\n\r\n", "GET", None, False, False),
        ("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "GET", 0, False, True),
        ("HTTP/1.1 200 OK\nContent-Length: 7\n\n", "GET", 7, False, True),
        (USUAL, "HEAD", 0, False, True),
        ("HTTP/1.1 204 No Content\r\n\r\n", "PUT", 0, False, True),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", "GET", 0, False, True),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "GET", None, True, True),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n", "GET", None, True, True),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "GET", None, False, False),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: Close\r\n\r\n", "GET", 5, False, False),
        ("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", "GET", 5, False, False),
        ("HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n", "GET", 5, False, True),
        ("HTTP/2.0 200 OK\r\nContent-Length: 5\r\n\r\n", "GET", 5, False, True),
    ],
)
def test_each_kind_of_body(text: str, method: str, length: int | None, chunked: bool, keeps: bool) -> None:
    head = read_head(text, method)
    assert (head.length, head.chunked, head.keeps) == (length, chunked, keeps)


def test_lines_of_one_name_and_continued_lines_are_joined() -> None:
    head = read_head("HTTP/1.1 200 OK\r\nX-A: 1\r\nx-a: 2\r\nX-B: one\r\n two\r\nX-C:\r\n\r\n", "GET")
    assert head.headers == {"x-a": "1, 2", "x-b": "one two", "x-c": ""}


@pytest.mark.parametrize(
    "text",
    [
        "HTTP/2 200 OK\r\n\r\n",
        "SSH-2.0-OpenSSH_9.6\r\n\r\n",
        "HTTP/1.1 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\n: 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: ²\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX-A: 1\rContent-Length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX-A: 1\0\r\nContent-Length: 5\r\n\r\n",
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(text: str) -> None:
    with pytest.raises(NotHttp):
        read_head(text, "GET")


@pytest.mark.parametrize(
    ("data", "end"),
    [
        (b"HTTP/1.1 200 OK\r\nA: 1\r\n\r\n\n\nbody", 25),
        (b"HTTP/1.1 200 OK\nA: 1\n\nbody\r\n\r\n", 22),
        (b"HTTP/1.1 200 OK\r\nA: 1\r\n", -1),
        (b"", -1),
    ],
)
def test_the_end_of_a_head_is_its_first_empty_line(data: bytes, end: int) -> None:
    assert find_end(bytearray(data), 0, len(data)) == end


@pytest.mark.parametrize("value", ["a\r\nHost: other", "a\nb", "a\rb", "a\0b"])
def test_a_header_cannot_begin_another_line(value: str) -> None:
    for first, headers in (("GET / HTTP/1.1", {"A": value}), (f"GET /{value} HTTP/1.1", {})):
        with pytest.raises(ValueError, match="line break or NUL"):
            write_head(first, header_lines(headers))
    assert write_head("GET / HTTP/1.1", header_lines({"A": "1", "B": "2"})) == b"GET / HTTP/1.1\r\nA: 1\r\nB: 2\r\n\r\n"


BODY = b'5\r\nhello\r\n1;name="a b"\r\n \r\n00a\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n'


@pytest.mark.parametrize("step", [1, 2, 3, 7, 1000])
def test_chunks_are_decoded_however_they_arrive(step: int) -> None:
    chunks, found = Chunks(), b""
    for start in range(0, len(BODY), step):
        assert not chunks.ended
        found += b"".join(chunks.feed(BODY[start : start + step]))
    assert (found, chunks.ended, chunks.excess) == (b"hello 0123456789", True, False)
    assert list(chunks.feed(b"HTTP/1.1 200 OK")) == []
    assert chunks.excess


@pytest.mark.parametrize(
    "body", [b"x\r\n", b"\r\n", b"-1\r\n", b"5\r\nhelloworld\r\n", b"f" * 16 + b"\r\n", b"1" * 9000]
)
def test_what_is_not_chunked_is_refused(body: bytes) -> None:
    with pytest.raises(NotHttp):
        list(Chunks().feed(body))
