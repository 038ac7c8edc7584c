"""The first frame by the index is the picture that libav's demuxer gives; an index with anything unusual gives none."""

from __future__ import annotations

import io
import struct
from functools import cache
from typing import Any

import av
import pytest
from av.video.reformatter import VideoReformatter

from worker.transferring import poster_process
from worker.transferring.first_frame import FirstFrame, first_frame
from worker.transferring.mp4 import Mp4Check
from worker.transferring.poster_process import NoPoster, picture_of


@cache
def written(codec: str, pixels: str, container: str, bframes: int) -> bytes:
    """A video of which no frame is like another."""
    out = io.BytesIO()
    with av.open(out, "w", format=container) as made:
        params = {"x264-params": f"bframes={bframes}", "x265-params": f"log-level=none:bframes={bframes}"}
        stream: Any = made.add_stream(codec, rate=24, options=params)
        stream.width, stream.height, stream.pix_fmt = 128, 96, pixels
        wide = 2 if "10" in pixels else 1
        for number in range(12):
            frame = av.VideoFrame(128, 96, pixels)
            for plane in frame.planes:
                row = (
                    bytes((x + number * 20) % 200 for x in range(plane.line_size))
                    if wide == 1
                    else b"".join(struct.pack("<H", (x + number * 20) % 900) for x in range(plane.line_size // 2))
                )
                plane.update(row * (plane.buffer_size // len(row)))
            frame.pts = number
            made.mux(stream.encode(frame))
        made.mux(stream.encode(None))
    return out.getvalue()


def found_in(video: bytes) -> FirstFrame | None:
    check = Mp4Check()
    check.feed(video)
    check.finish()
    return check.first_frame


def by_demuxer(video: bytes) -> bytes:
    return poster_process.first_frame(lambda offset, size: video[offset : offset + size], len(video))


@pytest.mark.parametrize(
    ("codec", "pixels"), [("libx264", "yuv420p"), ("libx264", "yuv444p"), ("libx265", "yuv420p10le")]
)
@pytest.mark.parametrize("container", ["mp4", "mov"])
@pytest.mark.parametrize("bframes", [0, 3])
def test_the_picture_is_that_of_the_demuxer(codec: str, pixels: str, container: str, bframes: int) -> None:
    video, scaler = written(codec, pixels, container, bframes), VideoReformatter()
    found = found_in(video)
    assert found is not None
    frame = video[found.offset : found.offset + found.size]
    assert picture_of(found.codec, found.config, frame, scaler) == by_demuxer(video)


def test_a_frame_that_is_damaged_or_too_large_gives_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    video, scaler = written("libx264", "yuv420p", "mp4", 0), VideoReformatter()
    found = found_in(video)
    assert found is not None
    frame = video[found.offset : found.offset + found.size]
    with pytest.raises(NoPoster):
        picture_of(found.codec, found.config, frame[:20], scaler)
    with pytest.raises(NoPoster):
        picture_of(found.codec, found.config[:9], frame, scaler)
    monkeypatch.setattr(poster_process, "MAX_PIXELS", 128 * 96 - 1)
    with pytest.raises(NoPoster):
        picture_of(found.codec, found.config, frame, scaler)


def index_of(video: bytes) -> bytes:
    at = video.index(b"moov")
    return video[at + 4 : at - 4 + int.from_bytes(video[at - 4 : at], "big")]


def changed(moov: bytes, box: bytes, at: int, value: bytes) -> bytes:
    start = moov.index(box) + 4 + at
    return moov[:start] + value + moov[start + len(value) :]


def test_an_unusual_index_gives_no_frame() -> None:
    moov = index_of(written("libx264", "yuv420p", "mp4", 3))
    assert first_frame(moov) is not None
    one, later, none = struct.pack(">I", 2), struct.pack(">i", 10**6), bytes(4)
    for what, broken in {
        "an edit cuts it off": changed(moov, b"elst", 12, later),
        "the track begins with a pause": changed(moov, b"elst", 12, struct.pack(">i", -1)),
        "several edits": changed(moov, b"elst", 4, one),
        "it cannot be decoded alone": changed(moov, b"stss", 8, one),
        "another description": changed(moov, b"stsc", 16, one),
        "another codec": changed(moov, b"avc1", -4, b"vp09"),
        "no configuration": changed(moov, b"avcC", -4, b"free"),
        "no size": changed(changed(moov, b"stsz", 4, none), b"stsz", 12, none),
        "much too large": changed(moov, b"stsz", 12, b"\x7f\0\0\0"),
        "no place": changed(moov, b"stco", -4, b"free"),
    }.items():
        assert first_frame(broken) is None, what
    assert first_frame(b"\0\0\0\x08free" * 5000 + moov) is None, "very many boxes"
    for end in range(0, len(moov), 7):
        first_frame(moov[:end])
    for at in range(len(moov)):
        first_frame(moov[:at] + b"\xff" + moov[at + 1 :])
