"""Answers that are compressed unasked, or that say so and are not."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from typing import Any

import pytest

from seedance import content_coding
from seedance.content_coding import STEP_BYTES, Decompressor, coding_of, decompressed, missing_package

BODY = b'{"id": "task-1", "status": "queued"}'
LIMIT = 2**20


def raw_deflate(data: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return stream.compress(data) + stream.flush()


SENT = [
    (BODY, ""),
    (BODY, "identity"),
    (BODY, "gzip"),  # apiyi
    (BODY, "deflate"),
    (BODY, "br"),
    (b" \r\n" + BODY, "gzip"),
    (gzip.compress(BODY), "gzip"),
    (gzip.compress(BODY), ""),
    (gzip.compress(BODY), "br"),
    (gzip.compress(BODY)[:-8], "gzip"),  # without its checksum
    (gzip.compress(BODY)[:-4] + b"\0\0\0\0", "gzip"),
    (gzip.compress(BODY[:9]) + gzip.compress(BODY[9:]), "gzip"),
    (gzip.compress(gzip.compress(BODY)), "gzip, gzip"),
    (gzip.compress(gzip.compress(BODY)), ""),
    (zlib.compress(BODY), "deflate"),
    (zlib.compress(BODY), ""),
    (zlib.compress(BODY), "gzip"),
    (raw_deflate(BODY), "deflate"),
]


@pytest.mark.parametrize("number", range(len(SENT)))
def test_an_answer_is_read_whatever_its_header_says(number: int) -> None:
    sent, header = SENT[number]
    assert decompressed(sent, header, LIMIT).strip() == BODY


@pytest.mark.parametrize("name", ["brotli", "zstandard"])
def test_other_libraries_are_used_where_they_are(name: str) -> None:
    library: Any = pytest.importorskip(name)
    sent = library.compress(BODY)
    assert decompressed(sent, "br" if name == "brotli" else "zstd", LIMIT) == BODY


def test_what_cannot_be_decompressed_stays_as_it_is() -> None:
    for body in (b"", b"hello", b"\x1f\x8b\x08garbage", b"<html>"):
        for header in ("", "gzip", "deflate", "zstd", "unknown"):
            assert decompressed(body, header, LIMIT) == body


@pytest.mark.parametrize("layers", [1, 2])
def test_a_bomb_is_not_unpacked(layers: int) -> None:
    bomb = bytes(64 * 2**20)
    for _ in range(layers):
        bomb = gzip.compress(bomb)
    with pytest.raises(OverflowError):
        decompressed(bomb, "gzip", LIMIT)


def test_a_stream_comes_in_pieces_of_bounded_size() -> None:
    stream = Decompressor("gzip")
    pieces = list(stream.feed(gzip.compress(bytes(5 * 2**20))))
    assert sum(map(len, pieces)) == 5 * 2**20
    assert max(map(len, pieces)) <= 2**20
    assert stream.is_complete


@pytest.mark.parametrize("after", [b"\0", b"garbage "])
def test_what_follows_the_end_of_a_stream_is_not_kept(after: bytes) -> None:
    """zlib keeps it, and copies all of it with each further piece."""
    stream = Decompressor("gzip")
    assert b"".join(stream.feed(gzip.compress(BODY))) == BODY
    tracemalloc.start()
    try:
        for _ in range(100):
            assert list(stream.feed(after * (65536 // len(after)))) == []
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 2**20
    assert stream.is_complete


def test_no_byte_is_missing_at_the_limit_of_a_step() -> None:
    for size in range(STEP_BYTES, STEP_BYTES + 512, 16):
        stream = Decompressor("deflate")
        assert sum(map(len, stream.feed(raw_deflate(bytes(size))))) == size
        assert stream.is_complete, size


def test_a_member_may_begin_at_any_byte() -> None:
    members = gzip.compress(BODY) + gzip.compress(b"") + gzip.compress(BODY)
    stream = Decompressor("gzip")
    assert b"".join(piece for at in range(len(members)) for piece in stream.feed(members[at : at + 1])) == BODY * 2
    assert stream.is_complete


@pytest.mark.parametrize("name", ["brotli", "zstandard"])
def test_other_libraries_give_pieces_of_bounded_size(name: str) -> None:
    library: Any = pytest.importorskip(name)
    stream = Decompressor("br" if name == "brotli" else "zstd")
    sent = library.compress(bytes(32 * 2**20), **({"quality": 5} if name == "brotli" else {}))
    pieces = [len(piece) for piece in stream.feed(sent)]
    assert sum(pieces) == 32 * 2**20
    assert max(pieces) <= 4 * 2**20


def test_a_video_is_not_taken_for_a_compressed_file() -> None:
    assert coding_of(b"\0\0\0\x18ftypisom", "gzip") is None
    assert coding_of(b"\0\0\0\x18ftypisom", "deflate") is None
    assert coding_of(b"\x1f\x8b\x08\0\0\0\0\0", "") == "gzip"


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content_coding, "_first", lambda *_names: None)
    video, zstd, other = b"\0\0\0\x20ftypisom", b"\x28\xb5\x2f\xfd\0\x58\0\0", b"\x9b\xff\xff/\x11\x15"
    assert missing_package(zstd, "") == missing_package(zstd, "zstd") == "zstandard"
    assert missing_package(other, "br") == missing_package(other, "gzip, BR") == "brotli"
    for head, header in ((video, "br"), (video, ""), (other, ""), (other, "gzip"), (gzip.compress(BODY), "br")):
        assert missing_package(head, header) is None
