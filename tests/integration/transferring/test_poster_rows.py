"""First frames go to the decoder in rows: each gets its own picture, whatever another one does to the decoder."""

from __future__ import annotations

import asyncio
import io
import random
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import av
import psutil
import pytest

from tests.kept.processes import END_DECODER, START_DECODER
from tests.transfers import a_video
from tests.waiting import PATIENCE_S
from worker.transferring import poster, poster_process
from worker.transferring.decoder_channel import Row, Unreadable
from worker.transferring.first_frame import FirstFrame
from worker.transferring.mp4 import Mp4Check
from worker.transferring.poster import Posters

# A decoder that two frames harm.
_HARMED = """
import importlib.util, os, time
spec = importlib.util.spec_from_file_location("decoder", {path!r})
decoder = importlib.util.module_from_spec(spec)
spec.loader.exec_module(decoder)
picture_of = decoder.picture_of
def harmed(codec, config, frame, scaler):
    if frame == b"end":
        os._exit(3)
    if frame == b"hang":
        time.sleep(600)
    return picture_of(codec, config, frame, scaler)
decoder.picture_of = harmed
decoder.main()
"""

Video = tuple[bytes, FirstFrame]


def with_first(video: bytes) -> Video:
    check = Mp4Check()
    check.feed(video)
    check.finish()
    assert check.first_frame is not None
    return video, check.first_frame


def noise() -> bytes:
    """A video whose first frame, and the JPEG of it, are large."""
    out, source = io.BytesIO(), random.Random(1)
    with av.open(out, "w", format="mp4") as container:
        stream: Any = container.add_stream("libx264", rate=24, options={"preset": "ultrafast", "crf": "1"})
        stream.width, stream.height, stream.pix_fmt = 480, 320, "yuv420p"
        frame = av.VideoFrame(480, 320, "yuv420p")
        for plane in frame.planes:
            plane.update(source.randbytes(plane.buffer_size))
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return out.getvalue()


def harm(frame: bytes) -> Video:
    return frame, FirstFrame(b"avc1", b"", 0, len(frame))


@pytest.fixture
def posters(monkeypatch: pytest.MonkeyPatch) -> Iterator[Posters]:
    monkeypatch.setattr(Posters, "_start", START_DECODER)
    monkeypatch.setattr(Posters, "close", END_DECODER)
    posters = Posters()
    yield posters
    posters.close()


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many frames are in each row."""
    found: list[int] = []

    class Counted(Row):
        def __init__(self, channel: socket.socket, frames: Sequence[tuple[FirstFrame, bytes]]) -> None:
            found.append(len(frames))
            super().__init__(channel, frames)

    monkeypatch.setattr(poster, "Row", Counted)
    return found


@pytest.fixture
def harmed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "harmed.py"
    program.write_text(_HARMED.format(path=poster_process.__file__))
    monkeypatch.setattr(poster, "_PROGRAM", program)


async def made(posters: Posters, video: Video) -> bytes | str:
    content, first = video
    return await posters.make(lambda offset, size: content[offset : offset + size], len(content), first)


def all_made(posters: Posters, videos: Sequence[Video]) -> list[bytes | str]:
    async def make() -> list[bytes | str]:
        return await asyncio.gather(*(made(posters, video) for video in videos))

    return asyncio.run(make())


def test_frames_of_the_same_moment_are_one_row_and_each_gets_its_picture(posters: Posters, rows: list[int]) -> None:
    videos = [with_first(a_video(size=(64 + 16 * number, 48))) for number in range(8)]
    expected = [all_made(posters, [video])[0] for video in videos]
    rows.clear()
    assert all_made(posters, videos) == expected
    assert len({*expected}) == len(videos)
    assert rows == [8]


def test_more_than_the_sockets_hold_in_both_directions(
    posters: Posters, rows: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    video = with_first(noise())
    videos = [video] * 24
    (expected,) = all_made(posters, [video])
    assert video[1].size * len(videos) > 2 * poster.ROW_BYTES
    assert len(expected) * len(videos) > 2**20
    rows.clear()
    assert all_made(posters, videos) == [expected] * len(videos)
    assert 2 < len(rows) < len(videos)
    monkeypatch.setattr(poster, "ROW_BYTES", 2**30)
    rows.clear()
    assert all_made(posters, videos) == [expected] * len(videos)
    assert rows == [len(videos)]


def test_the_memory_of_a_frame_is_kept_for_the_next_one(posters: Posters) -> None:
    videos = [with_first(a_video(size=(864, 480)))] * 10
    all_made(posters, videos)
    before = page_faults(posters)
    for _ in range(5):
        all_made(posters, videos)
    assert page_faults(posters) - before < 50 * 30  # without: up to 180 a poster, or 3, as the heap happens to lie


def test_a_frame_after_a_pause_does_not_wait_and_those_that_follow_are_gathered(
    posters: Posters, rows: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    video = with_first(a_video())
    all_made(posters, [video])
    monkeypatch.setattr(poster, "GATHER_S", PATIENCE_S)

    async def later() -> list[bytes | str]:
        return await asyncio.gather(*(made(posters, video) for _ in range(3)))

    async def run() -> float:
        began = time.monotonic()
        posters._next_row_at = 0.0
        await made(posters, video)
        took_s = time.monotonic() - began
        waiting = asyncio.create_task(later())
        await asyncio.sleep(0.2)
        assert rows[1:] == [1]
        assert not waiting.done()
        waiting.cancel()
        return took_s

    assert asyncio.run(run()) < PATIENCE_S / 2


@pytest.mark.parametrize(
    ("frame", "reason"), [(b"end", "the decoder exited with status 3"), (b"hang", "not made within 1 s")]
)
@pytest.mark.usefixtures("harmed")
def test_a_frame_that_harms_the_decoder_costs_no_other_its_poster(
    posters: Posters, rows: list[int], monkeypatch: pytest.MonkeyPatch, frame: bytes, reason: str
) -> None:
    videos = [with_first(a_video(size=(64 + 16 * number, 48))) for number in range(5)]
    expected = all_made(posters, videos)
    assert all(isinstance(picture, bytes) for picture in expected)
    monkeypatch.setattr(poster, "LIMIT_S", 1)
    rows.clear()
    pictures = all_made(posters, [*videos[:2], harm(frame), *videos[2:]])
    assert str(pictures.pop(2)) == reason
    assert pictures == expected
    assert rows == [6, 3]


@pytest.mark.parametrize("given_up", [0, 1, 2])
def test_a_copy_that_is_given_up_costs_no_other_its_poster(posters: Posters, rows: list[int], given_up: int) -> None:
    videos = [with_first(a_video(size=(64 + 16 * number, 48))) for number in range(3)]
    expected = all_made(posters, videos)
    pid = decoder(posters).pid

    async def run(turns: int) -> list[bytes | str | BaseException]:
        posters._next_row_at = 0.0
        making = [asyncio.create_task(made(posters, video)) for video in videos]
        for _ in range(turns):  # before the row is sent, and while it is answered
            await asyncio.sleep(0)
        making[given_up].cancel()
        found = await asyncio.gather(*making, return_exceptions=True)
        if posters._rows is not None:
            await posters._rows  # the decoder may be busy with the frame that was given up
        return found

    for turns in range(6):
        found = asyncio.run(run(turns))
        assert isinstance(found[given_up], asyncio.CancelledError)
        assert [found[n] for n in range(3) if n != given_up] == [expected[n] for n in range(3) if n != given_up]
    assert decoder(posters).pid == pid
    assert set(rows) == {2, 3}


def test_a_decoder_is_ended_in_the_middle_of_a_row(posters: Posters) -> None:
    video = with_first(a_video())
    all_made(posters, [video])
    process = decoder(posters)

    async def run() -> list[bytes | str | BaseException]:
        process.suspend()
        making = [asyncio.create_task(made(posters, video)) for _ in range(3)]
        await asyncio.sleep(0.2)
        posters.close()
        for task in making:
            task.cancel()
        return await asyncio.gather(*making, return_exceptions=True)

    assert all(isinstance(found, asyncio.CancelledError) for found in asyncio.run(run()))
    assert not process.is_running()
    assert isinstance(all_made(posters, [video])[0], bytes)


@pytest.mark.parametrize("read", [lambda _offset, _size: b"", lambda _offset, size: bytes(size)])
def test_a_frame_that_is_none_gives_a_reason(posters: Posters, read: Callable[[int, int], bytes]) -> None:
    _, first = with_first(a_video())
    assert isinstance(asyncio.run(posters.make(read, 1000, first)), str)


def test_a_frame_that_cannot_be_read_is_reported(posters: Posters) -> None:
    video = with_first(a_video())

    def unreadable(_offset: int, _size: int) -> bytes:
        raise Unreadable("the store is down")

    async def run() -> tuple[bytes | str, bytes | str]:
        return await asyncio.gather(posters.make(unreadable, 1000, video[1]), made(posters, video))

    reason, picture = asyncio.run(run())
    assert reason == "the store is down"
    assert isinstance(picture, bytes)


def decoder(posters: Posters) -> psutil.Process:
    assert posters._process is not None
    return psutil.Process(posters._process.pid)


def page_faults(posters: Posters) -> int:
    """Of the decoder, without those that read from a disk."""
    fields = Path(f"/proc/{decoder(posters).pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[7])
