"""Only a complete MP4 passes, in pieces of any size."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.transferring.mp4 import Mp4Check, NotAVideo


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body) + 8) + kind + body


def large_box(kind: bytes, body: bytes) -> bytes:
    return b"\0\0\0\1" + kind + struct.pack(">Q", len(body) + 16) + body


FTYP = box(b"ftyp", b"isom\0\0\2\0isomiso2")
MOOV = box(b"moov", b"m" * 300)
MDAT = box(b"mdat", b"d" * 5000)
WHOLE = FTYP + MOOV + MDAT


def check(data: bytes, step: int = 1 << 20) -> None:
    checker = Mp4Check()
    for start in range(0, len(data), step):
        checker.feed(data[start : start + step])
    checker.finish()


@pytest.mark.parametrize(
    "data",
    [
        WHOLE,
        FTYP + MDAT + MOOV,
        FTYP + box(b"free", b"") + MOOV + large_box(b"mdat", b"x" * 100),
        FTYP + MOOV + b"\0\0\0\0mdat" + b"to the end",
    ],
)
@pytest.mark.parametrize("step", [1, 7, 16, 4096])
def test_a_complete_video_passes(data: bytes, step: int) -> None:
    check(data, step)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty"),
        (b"<!doctype html><html></html>", "not an MP4"),
        (b"\0" * 4096, "not an MP4"),
        (FTYP, "no mdat"),
        (FTYP + MDAT, "no moov"),
        (FTYP + MOOV, "no mdat"),
        (FTYP + box(b"moov", b"")[:4] + b"mo", "middle of a box"),
        (FTYP + b"\0\0\0\3moov", "3 bytes"),
        (MOOV + MDAT, "not an MP4"),
    ],
)
def test_any_other_file_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(NotAVideo, match=message):
        check(data)


@given(cut=st.integers(0, len(WHOLE) - 1), step=st.integers(1, 600))
def test_a_truncated_video_is_refused(cut: int, step: int) -> None:
    with pytest.raises(NotAVideo):
        check(WHOLE[:cut], step)


@given(st.binary(max_size=200))
def test_random_bytes_raise_only_not_a_video(data: bytes) -> None:
    try:
        check(data, 3)
    except NotAVideo:
        return
    assert b"ftyp" in data
