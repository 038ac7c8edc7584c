"""A video that breaks its decoder harms neither the worker nor other posters."""

from __future__ import annotations

import asyncio
import gc
import io
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from PIL import Image

from tests.kept.processes import END_DECODER, START_DECODER
from tests.transfers import a_video
from tests.waiting import PATIENCE_S
from worker.transferring import poster
from worker.transferring.decoder_channel import Unreadable
from worker.transferring.mp4 import Mp4Check
from worker.transferring.poster import Posters
from worker.transferring.poster_process import BLOCK_BYTES, MAX_WIDTH, File, NoPoster, first_frame


@pytest.fixture(autouse=True)
def own_decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Posters, "_start", START_DECODER)
    monkeypatch.setattr(Posters, "close", END_DECODER)


@pytest.fixture
def posters() -> Iterator[Posters]:
    posters = Posters()
    yield posters
    posters.close()


def made(posters: Posters, video: bytes) -> bytes | str:
    return asyncio.run(posters.make(lambda offset, size: video[offset : offset + size], len(video)))


def decoder(posters: Posters) -> psutil.Process:
    assert posters._process is not None
    return psutil.Process(posters._process.pid)


def test_one_process_with_one_thread_makes_posters_one_after_another(posters: Posters) -> None:
    pids = set()
    for size in ((64, 48), (1920, 1080), (480, 854)):
        picture = made(posters, a_video(size=size))
        assert isinstance(picture, bytes)
        with Image.open(io.BytesIO(picture)) as opened:
            assert opened.width == min(size[0], MAX_WIDTH)
            assert opened.height == pytest.approx(opened.width * size[1] / size[0], abs=2)
        pids.add(decoder(posters).pid)
    assert len(pids) == 1
    assert decoder(posters).num_threads() == 1


def test_a_decoder_that_dies_loses_one_poster_and_is_restarted(posters: Posters) -> None:
    video = a_video()
    assert isinstance(made(posters, video), bytes)

    def kill(_offset: int, _size: int) -> bytes:
        decoder(posters).send_signal(signal.SIGSEGV)
        return b""

    assert asyncio.run(posters.make(kill, len(video))) == f"the decoder exited with status {-signal.SIGSEGV}"
    assert isinstance(made(posters, video), bytes)


def test_a_decoder_that_hangs_is_given_up(posters: Posters, monkeypatch: pytest.MonkeyPatch) -> None:
    video = a_video()
    assert isinstance(made(posters, video), bytes)
    monkeypatch.setattr(poster, "LIMIT_S", 0.5)
    decoder(posters).suspend()
    assert made(posters, video) == "not made within 0.5 s"
    monkeypatch.setattr(poster, "LIMIT_S", PATIENCE_S)
    assert isinstance(made(posters, video), bytes)


def test_a_decoder_that_cannot_be_started_loses_one_poster(
    posters: Posters, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    video = a_video()
    gc.collect()  # what earlier tests have left open is not closed in between
    before = psutil.Process().num_fds()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", str(tmp_path / "missing"))
        assert "cannot be started" in str(made(posters, video))
    assert psutil.Process().num_fds() <= before
    assert isinstance(made(posters, video), bytes)


def test_a_decoder_that_hangs_costs_one_poster(posters: Posters, monkeypatch: pytest.MonkeyPatch) -> None:
    video = a_video()
    assert isinstance(made(posters, video), bytes)

    def read(offset: int, size: int) -> bytes:
        return video[offset : offset + size]

    def hang(offset: int, size: int) -> bytes:
        decoder(posters).suspend()
        monkeypatch.setattr(poster, "LIMIT_S", PATIENCE_S)
        return read(offset, size)

    async def run() -> list[bytes | str]:
        return await asyncio.gather(*(posters.make(source, len(video)) for source in (hang, read, read)))

    monkeypatch.setattr(poster, "LIMIT_S", 0.5)
    first, *others = asyncio.run(run())
    assert str(first).startswith("not made within")
    assert all(isinstance(picture, bytes) for picture in others)


def test_the_decoder_gets_the_first_frame_and_the_file_only_if_that_is_not_enough(posters: Posters) -> None:
    video, asked = a_video(frames=24, size=(640, 480), noise=True), list[int]()
    check = Mp4Check()
    check.feed(video)
    first = check.first_frame
    assert first is not None

    def read(offset: int, size: int) -> bytes:
        asked.append(size)
        return video[offset : offset + size]

    expected = asyncio.run(posters.make(read, len(video)))
    asked.clear()
    assert asyncio.run(posters.make(read, len(video), first)) == expected
    assert asked == [first.size]
    asked.clear()
    assert asyncio.run(posters.make(read, len(video), replace(first, offset=first.offset + first.size))) == expected
    assert asked[:2] == [first.size, BLOCK_BYTES]
    assert isinstance(expected, bytes)


def test_a_store_that_cannot_be_read_is_reported(posters: Posters) -> None:
    def fetch(_offset: int, _size: int) -> bytes:
        raise Unreadable("the store is down")

    assert asyncio.run(posters.make(fetch, 1000)) == "the store is down"
    assert isinstance(made(posters, a_video()), bytes)


def test_videos_at_the_same_time_each_get_their_own_poster(posters: Posters) -> None:
    videos = [a_video(size=(64 + 2 * n, 48)) for n in range(12)]

    async def run() -> list[bytes | str]:
        return await asyncio.gather(
            *(posters.make(lambda offset, size, v=v: v[offset : offset + size], len(v)) for v in videos)  # type: ignore[misc] # mypy cannot type the default
        )

    for number, picture in enumerate(asyncio.run(run())):
        assert isinstance(picture, bytes)
        with Image.open(io.BytesIO(picture)) as opened:
            assert opened.width == 64 + 2 * number


def test_the_decoder_has_no_secrets_and_ends_with_its_worker(posters: Posters, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REELQ_S3_SECRET_ACCESS_KEY", "a-secret")
    assert isinstance(made(posters, a_video()), bytes)
    process = decoder(posters)
    assert not [name for name in process.environ() if name.startswith(("REELQ_", "AWS_", "CELERY_"))]
    assert [file for file in process.open_files() if not file.path.startswith("/proc")] == []
    posters.close()
    assert not process.is_running()


def test_the_decoder_of_a_killed_worker_ends() -> None:
    script = (
        "import asyncio, os, sys, time\n"
        "from tests.transfers import a_video\nfrom worker.transferring.poster import Posters\n"
        "p = Posters(); v = a_video()\n"
        "asyncio.run(p.make(lambda o, n: v[o:o+n], len(v)))\n"
        "print(p._process.pid, flush=True); time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        child = psutil.Process(int(worker.stdout.readline()))
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait(PATIENCE_S)
    child.wait(PATIENCE_S)


@pytest.mark.parametrize("seed", range(6))
def test_broken_videos_give_a_picture_or_a_reason_in_time(posters: Posters, seed: int) -> None:
    source = random.Random(seed)
    whole = a_video(frames=6, size=(160, 120))
    for _ in range(25):
        broken = bytearray(whole)
        for _ in range(source.choice((1, 10, 200))):
            broken[source.randrange(len(broken))] = source.randrange(256)
        found = made(
            posters, bytes(broken[: source.randrange(1, len(broken))]) if source.random() < 0.3 else bytes(broken)
        )
        assert found
        assert not str(found).startswith("not made within"), "it hung"


def test_the_decoder_reads_few_blocks_of_a_file_and_at_most_16_mib() -> None:
    asked: list[int] = []

    def fetch(offset: int, size: int) -> bytes:
        asked.append(offset)
        return bytes(size)

    file = File(fetch, 100 * 2**20)
    file.seek(5)
    assert file.read(10) == bytes(10)
    assert len(file.read(2**30)) == BLOCK_BYTES - 15
    assert asked == [0]
    with pytest.raises(NoPoster, match="16 MiB"):
        io.BufferedReader(file).read()
    video = a_video(frames=24, size=(640, 480), noise=True)
    asked.clear()

    def recorded(offset: int, size: int) -> bytes:
        asked.append(offset)
        return video[offset : offset + size]

    assert first_frame(recorded, len(video))
    assert len(asked) * BLOCK_BYTES < len(video) / 4


def test_other_containers_are_not_opened(posters: Posters) -> None:
    playlist = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"
    assert isinstance(made(posters, playlist), str)


def test_posters_can_be_closed_twice_and_before_use() -> None:
    posters = Posters()
    posters.close()
    posters.close()
