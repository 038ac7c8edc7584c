"""What a video is, from its index: real files of each form, and bytes that are none."""

from __future__ import annotations

import io
from functools import cache
from typing import Any

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.media.looks import LOOKS
from simulator.media.renderer import Renderer
from simulator.tasks.task import Fate, Order, Task
from worker.transferring.mp4 import Mp4Check, format_of_stored
from worker.transferring.video_format import VideoFormat, container_of, read_format

FORMATS = {
    "h264": VideoFormat("mp4", "avc1", "yuv420p", 864, 496, 4.0, "mp4a"),
    "h265": VideoFormat("mp4", "hvc1", "yuv420p10le", 864, 496, 4.0, "mp4a"),
    "mov": VideoFormat("mov", "avc1", "yuv444p", 864, 496, 4.0, "sowt"),
}


@cache
def rendered(look: str, audio: bool = True) -> bytes:
    order = Order("seedance", "upstream", "a fox", {}, "480p", "16:9", 4, audio)
    task = Task("cgt-1", "cgt-1", 1, "ark", "account", order, 0.0, 1.0, 4, 5, fate=Fate(look=look))
    return b"".join(Renderer().video(task).read())


@cache
def written(codec: str, pixels: str, container: str = "mp4", **options: str) -> bytes:
    """A file that libav wrote."""
    out = io.BytesIO()
    with av.open(out, "w", format=container, options=options) as made:
        # Without B-frames: with them the length of the track varies from run to run by a frame.
        params = {"x264-params": "bframes=0", "x265-params": "log-level=none"}
        stream: Any = made.add_stream(codec, rate=24, options=params)
        stream.width, stream.height, stream.pix_fmt = 128, 96, pixels
        for number in range(12):
            frame = av.VideoFrame(128, 96, pixels)
            for plane in frame.planes:  # a new frame holds what lay in memory; x264 aborts at values beyond 10 bits
                plane.update(bytes(plane.buffer_size))
            frame.pts = number
            made.mux(stream.encode(frame))
        made.mux(stream.encode(None))
    return out.getvalue()


def format_of(data: bytes, piece: int = 1000) -> VideoFormat:
    check = Mp4Check()
    for start in range(0, len(data), piece):
        check.feed(data[start : start + piece])
    check.finish()
    return check.format


@pytest.mark.parametrize("look", LOOKS)
def test_the_format_of_each_form(look: str) -> None:
    found = format_of(rendered(look))
    assert found == FORMATS[look]
    assert found.playable is (look == "h264")
    assert found.as_json()["playable"] is found.playable


@pytest.mark.parametrize("piece", [1, 7, 1 << 20])
def test_the_pieces_of_the_stream_do_not_matter(piece: int) -> None:
    assert format_of(rendered("h265"), piece) == FORMATS["h265"]


@pytest.mark.parametrize("look", LOOKS)
def test_a_stored_file_is_read_by_its_index_alone(look: str) -> None:
    data, read = rendered(look), 0

    def read_at(offset: int, size: int) -> bytes:
        nonlocal read
        read += size
        return data[offset : offset + size]

    assert format_of_stored(read_at, len(data)) == FORMATS[look]
    assert read < 20_000


@pytest.mark.parametrize(
    ("codec", "pixels", "shown"),
    [
        ("libx264", "yuv420p", "avc1"),
        ("libx264", "yuv422p", "avc1"),
        ("libx264", "yuv420p10le", "avc1"),
        ("libx264", "yuv444p", "avc1"),
        ("libx265", "yuv420p", "hev1"),
        ("libx265", "yuv444p10le", "hev1"),
        ("mpeg4", "yuv420p", "mp4v"),
    ],
)
def test_what_libav_writes(codec: str, pixels: str, shown: str) -> None:
    found = format_of(written(codec, pixels))
    assert (found.codec, found.pixel_format) == (shown, None if codec == "mpeg4" else pixels)
    assert (found.width, found.height, found.audio) == (128, 96, None)
    assert found.seconds == pytest.approx(0.5, abs=0.1)
    assert found.playable is (codec == "libx264" and pixels == "yuv420p")


def test_a_mov_is_no_mp4_even_with_h264() -> None:
    found = format_of(written("libx264", "yuv420p", "mov"))
    assert (found.container, found.codec, found.playable) == ("mov", "avc1", False)


def test_the_index_at_the_end_and_in_fragments() -> None:
    assert format_of(written("libx264", "yuv420p", moov_size="20000")) == format_of(written("libx264", "yuv420p"))
    fragmented = format_of(written("libx264", "yuv420p", movflags="frag_keyframe+empty_moov"))
    assert (fragmented.codec, fragmented.seconds) == ("avc1", None)


def test_a_silent_video_has_no_sound() -> None:
    assert format_of(rendered("h265", audio=False)).audio is None


@given(st.data())
def test_bytes_from_outside_never_raise(data: st.DataObject) -> None:
    look = data.draw(st.sampled_from(sorted(LOOKS)))
    whole = rendered(look)
    start = whole.index(b"moov") + 4
    moov = bytearray(whole[start : start + int.from_bytes(whole[start - 8 : start - 4], "big") - 8])
    for _ in range(data.draw(st.integers(1, 8))):
        moov[data.draw(st.integers(0, len(moov) - 1))] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(0, len(moov)))
    read_format("mp4", bytes(moov[:end])).as_json()


@given(st.binary(max_size=200))
def test_any_bytes_have_a_format(data: bytes) -> None:
    assert container_of(data) in ("mp4", "mov")
    assert read_format("mp4", data).playable is False or data
    format_of_stored(lambda offset, size: data[offset : offset + size], len(data))
