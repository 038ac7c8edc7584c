"""The videos are playable, have the requested size and length, differ by task, and never change."""

from __future__ import annotations

import io

import av
import pytest
from PIL import Image

from simulator.media.looks import LOOKS, look_of
from simulator.media.renderer import Renderer
from simulator.tasks.pixels import PIXELS, tokens
from simulator.tasks.task import Fate, Order, Task


def task(name: str, resolution: str = "480p", ratio: str = "16:9", seconds: int = 4, audio: bool = True) -> Task:
    order = Order("seedance", "upstream", f"prompt of {name}", {}, resolution, ratio, seconds, audio)
    return Task(name, "cgt-1", 1, "anyfast", "account", order, 0.0, 1.0, seconds, 5)


def bytes_of(renderer: Renderer, rendered: Task) -> bytes:
    return b"".join(renderer.video(rendered).read())


def pictures(data: bytes) -> list[av.VideoFrame]:
    with av.open(io.BytesIO(data), "r") as container:
        return list(container.decode(video=0))


@pytest.mark.parametrize(
    ("look", "tag", "pixels", "sound"),
    [
        ("h264", "avc1", "yuv420p", "aac"),
        ("h265", "hvc1", "yuv420p10le", "aac"),
        ("mov", "avc1", "yuv444p", "pcm_s16le"),
    ],
)
def test_each_form_of_a_video_decodes(look: str, tag: str, pixels: str, sound: str) -> None:
    rendered = task("t")
    rendered.fate = Fate(look=look)
    data = bytes_of(Renderer(), rendered)
    with av.open(io.BytesIO(data), "r") as container:
        video = container.streams.video[0]
        assert (video.codec_context.codec_tag, video.codec_context.pix_fmt) == (tag, pixels)
        assert container.streams.audio[0].codec_context.name == sound
        assert 3.9 * 48_000 < sum(frame.samples for frame in container.decode(audio=0)) <= 4 * 48_000
    assert len(pictures(data)) == 4 * 24
    assert data[8:12] == (b"qt  " if look == "mov" else b"isom")


@pytest.mark.parametrize(
    ("version", "resolution", "output_format", "look"),
    [
        ("2.0", "1080p", None, "h264"),
        ("2.0", "4k", None, "h265"),
        ("2.5", "720p", "mp4", "h264"),
        ("2.5", "1080p", "mp4", "h265"),
        ("2.5", "480p", "mov", "mov"),
    ],
)
def test_the_form_depends_on_version_resolution_and_output_format(
    version: str, resolution: str, output_format: str | None, look: str
) -> None:
    assert look_of(version, resolution, output_format) is LOOKS[look]


@pytest.mark.parametrize("ratio", PIXELS["720p"])
@pytest.mark.parametrize("resolution", ["480p", "720p"])
def test_a_video_has_the_requested_size_length_and_frame_rate(resolution: str, ratio: str) -> None:
    data = bytes_of(Renderer(), task("t", resolution, ratio, 5))
    with av.open(io.BytesIO(data), "r") as container:
        (stream,) = container.streams.video
        assert (stream.width, stream.height) == PIXELS[resolution][ratio]
        assert stream.codec_context.name == "h264" and stream.average_rate == 24
        assert container.duration == 5 * av.time_base
        assert len(container.streams.audio) == 1
    assert len(pictures(data)) == 5 * 24


def test_a_video_without_audio_has_no_audio_stream() -> None:
    with av.open(io.BytesIO(bytes_of(Renderer(), task("t", audio=False))), "r") as container:
        assert not container.streams.audio


def test_the_audio_can_be_decoded_and_is_no_longer_than_the_video() -> None:
    with av.open(io.BytesIO(bytes_of(Renderer(), task("t", seconds=15))), "r") as container:
        samples = sum(frame.samples for frame in container.decode(audio=0))
    assert 14.9 * 48_000 < samples <= 15 * 48_000


def test_two_tasks_differ_in_bytes_and_visibly() -> None:
    renderer = Renderer()
    one, other = bytes_of(renderer, task("one")), bytes_of(renderer, task("other"))
    assert one != other
    first, second = (bytes(pictures(data)[0].planes[0]) for data in (one, other))
    assert sum(a != b for a, b in zip(first, second, strict=True)) > len(first) // 50


def test_the_frames_change_over_time() -> None:
    shown = pictures(bytes_of(Renderer(), task("t")))
    assert bytes(shown[30].planes[0]) != bytes(shown[40].planes[0])


def test_another_renderer_gives_a_task_the_same_bytes() -> None:
    assert bytes_of(Renderer(), task("t")) == bytes_of(Renderer(), task("t"))


@pytest.mark.parametrize("size", [65_536, 262_144, 3 * 1024 * 1024 + 1])
def test_a_video_of_an_exact_size_plays(size: int) -> None:
    renderer = Renderer(video_bytes=size)
    one, other = bytes_of(renderer, task("one", "720p")), bytes_of(renderer, task("other", "720p"))
    assert len(one) == len(other) == size and one != other
    shown = pictures(one)
    assert len(shown) == 4 * 24 and (shown[0].width, shown[0].height) == (1280, 720)


def test_a_clip_too_large_for_the_exact_size_is_rendered_at_480p() -> None:
    data = bytes_of(Renderer(video_bytes=65_536), task("t", "4k", "21:9", 15))
    assert len(data) == 65_536 and pictures(data)[0].width == PIXELS["480p"]["21:9"][0]


def test_a_video_of_two_gibibytes_is_never_held_in_memory() -> None:
    size = 2 * 1024**3
    content = Renderer(video_bytes=size).video(task("t"))
    assert content.size == size and sum(map(len, content.parts)) < 100_000
    tail = b"".join(content.read(size - 1000))
    assert len(tail) == 1000 and tail == b"".join(content.read(size - 1000, size))


def test_a_range_equals_that_slice_of_the_file() -> None:
    content = Renderer(video_bytes=2_500_000).video(task("t"))
    whole = b"".join(content.read())
    for start, end in [(0, 1), (20, 200), (100, 70_000), (1_048_000, 2_400_001), (2_499_999, 2_500_000)]:
        assert b"".join(content.read(start, end)) == whole[start:end]


def test_the_last_frame_is_the_last_frame_of_the_video() -> None:
    renderer = Renderer()
    rendered = task("t", ratio="9:16")
    with Image.open(io.BytesIO(renderer.last_frame(rendered))) as picture:
        assert picture.format == "JPEG" and picture.size == PIXELS["480p"]["9:16"]
        left = picture.convert("L").getpixel((200, 10))
    last = pictures(bytes_of(renderer, rendered))[-1]
    brightness = last.to_image().convert("L").getpixel((200, 10))  # type: ignore[no-untyped-call]  # PyAV leaves it untyped
    assert isinstance(left, int) and abs(left - brightness) < 12


def test_tokens_match_the_published_usages() -> None:
    assert tokens("720p", "16:9", 5, 0) == 108_900
    assert tokens("720p", "16:9", 8, 5) == 281_700
    assert tokens("1080p", "16:9", 5, 0) == 245_025
