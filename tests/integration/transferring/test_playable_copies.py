"""A copy that every browser plays: made beside the original, once, on demand or always, and never in a worker's way."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import av
import psutil
import pytest
from PIL import Image

from simulator.media.renderer import Renderer
from simulator.tasks.task import Fate, Order, Task
from storage.bucket.keys import key_beside, playable_key
from storage.jobs.playable_copies import claim_copies, demand_of, want_copies
from storage.jobs.transitions import mark_deleted
from storage.settings import Settings
from tests.integration.health.test_background_threads import refused
from tests.transfers import Files, a_video, generated, row_of, running_runtime, transfer
from tests.waiting import PATIENCE_S, wait_for
from worker.playable import copies, copy_process, maker
from worker.playable.copies import PlayableCopies, make_copies
from worker.runtime import Runtime


@cache
def rendered(look: str) -> bytes:
    order = Order("seedance", "upstream", "a fox", {}, "480p", "16:9", 4)
    task = Task("cgt-1", "cgt-1", 1, "ark", "account", order, 0.0, 1.0, 4, 5, fate=Fate(look=look))
    return b"".join(Renderer().video(task).read())


@pytest.fixture
def files() -> Files:
    return Files({"/plain": a_video(), "/h265": rendered("h265"), "/mov": rendered("mov")})


@pytest.fixture
def base(files: Files) -> Iterator[str]:
    with files.running() as url:
        yield url


@pytest.fixture
def runtime(settings: Settings, base: str) -> Iterator[Runtime]:
    with running_runtime(settings, base) as runtime:
        yield runtime


def stored(runtime: Runtime, key: str) -> bytes:
    return b"".join(runtime.objects.chunks(key))


def copy(runtime: Runtime, *, again: list[UUID] | None = None) -> int:
    """Claim the due copies as the scheduler does and make them; gives how many."""
    with runtime.database.begin() as conn:
        want_copies(conn, again or [], again=True)
        claimed = claim_copies(conn, 2, runtime.settings.lease_seconds)
    make_copies(runtime, [(item.id, item.claim) for item in claimed])
    return len(claimed)


def wanted(runtime: Runtime, job_id: UUID) -> None:
    with runtime.database.begin() as conn:
        want_copies(conn, [job_id])


def error_of(runtime: Runtime, job_id: UUID) -> str | None:
    with runtime.database.begin() as conn:
        demand = demand_of(conn, job_id)
    assert demand is not None
    return demand.error


def make_due(runtime: Runtime) -> None:
    with runtime.database.begin() as conn:
        conn.execute("UPDATE playable_copies SET due_at = now() WHERE due_at IS NOT NULL")


def facts(data: bytes) -> dict[str, Any]:
    with av.open(io.BytesIO(data), "r") as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        found = {
            "codec": video.codec_context.codec_tag,
            "pixels": video.codec_context.pix_fmt,
            "size": (video.codec_context.width, video.codec_context.height),
            "audio": audio.codec_context.name,
        }
        return found | {"frames": sum(1 for _ in container.decode(video))}


@pytest.mark.parametrize(("path", "suffix"), [("/h265", "mp4"), ("/mov", "mov")])
def test_a_copy_lies_beside_the_original_which_stays_as_it_is(
    runtime: Runtime, files: Files, base: str, path: str, suffix: str
) -> None:
    job_id = generated(runtime.settings, base + path)
    row = transfer(runtime, job_id)
    assert row["state"] == "succeeded" and row["video_format"]["playable"] is False
    key, original = row["object_key"], files.bodies[path]
    assert key.endswith(f"/{job_id}.{suffix}")
    assert row["poster_key"] == key_beside(key, "jpg"), "a poster is made of every form"
    with Image.open(io.BytesIO(stored(runtime, row["poster_key"]))) as picture:
        assert picture.width == 480
    assert copy(runtime) == 0, "no copy is wanted"

    wanted(runtime, job_id)
    assert copy(runtime) == 1
    row = row_of(runtime, job_id)
    assert row["playable_key"] == playable_key(key) == f"{key.removesuffix(suffix)}playable.mp4"
    made = stored(runtime, row["playable_key"])
    assert facts(made) == {"codec": "avc1", "pixels": "yuv420p", "size": (864, 496), "audio": "aac", "frames": 96}
    assert made.index(b"moov") < made.index(b"mdat"), "it plays before it is loaded"
    assert hashlib.sha256(stored(runtime, key)).hexdigest() == hashlib.sha256(original).hexdigest() == row["sha256"]
    assert files.asked.count(path) == 1, "the gateway's link was fetched once"
    sidecar = json.loads(stored(runtime, key_beside(key, "json")))
    assert sidecar["video"]["format"] == row["video_format"]
    wanted(runtime, job_id)
    assert copy(runtime) == 0, "it is made once"


def test_a_mov_is_stored_with_its_own_type(runtime: Runtime, base: str) -> None:
    row = transfer(runtime, generated(runtime.settings, f"{base}/mov"))
    head = runtime.objects._s3.head_object(Bucket=runtime.objects.bucket, Key=row["object_key"])
    assert head["ContentType"] == "video/quicktime"


def test_a_video_that_plays_everywhere_gets_no_copy(runtime: Runtime, base: str) -> None:
    job_id = generated(runtime.settings, f"{base}/plain")
    transfer(runtime, job_id)
    with runtime.database.begin() as conn:  # as an older release stored it
        conn.execute("UPDATE jobs SET video_format = NULL WHERE id = %s", [job_id])
    wanted(runtime, job_id)
    assert copy(runtime) == 1
    row = row_of(runtime, job_id)
    assert row["playable_key"] is None and row["video_format"]["playable"] is True
    assert copy(runtime) == 0


def test_always_means_with_every_video_that_needs_one(settings: Settings, base: str) -> None:
    with running_runtime(settings, base, playable_copies="always") as runtime:
        jobs = {path: generated(settings, base + path) for path in ("/plain", "/mov")}
        for job_id in jobs.values():
            transfer(runtime, job_id)
        assert copy(runtime) == 1
        keys = {path: row_of(runtime, job_id)["playable_key"] for path, job_id in jobs.items()}
        assert keys["/plain"] is None and keys["/mov"] is not None


def test_no_more_copies_than_the_setting_are_made_at_once(runtime: Runtime, base: str) -> None:
    ids = [generated(runtime.settings, f"{base}/mov") for _ in range(3)]
    for job_id in ids:
        transfer(runtime, job_id)
        wanted(runtime, job_id)
    with runtime.database.begin() as conn:
        first = claim_copies(conn, 2, 60.0)
        assert len(first) == 2 and claim_copies(conn, 2, 60.0) == []
        conn.execute("UPDATE playable_copies SET due_at = now() WHERE leased")  # the leases end: their workers died
        assert {item.claim for item in claim_copies(conn, 3, 60.0)} == {1, 2}


def test_a_file_that_cannot_be_decoded_is_given_up_and_can_be_wanted_again(
    runtime: Runtime, files: Files, base: str
) -> None:
    whole = files.bodies["/mov"]
    at = whole.index(b"mdat") + 4
    files.bodies["/broken"] = whole[:at] + bytes(len(whole) - at)
    job_id = generated(runtime.settings, f"{base}/broken")
    assert transfer(runtime, job_id)["state"] == "succeeded"
    wanted(runtime, job_id)
    for tries in range(1, copies.MAX_TRIES + 1):
        assert error_of(runtime, job_id) is None, tries
        make_due(runtime)
        assert copy(runtime) == 1
    assert error_of(runtime, job_id)
    wanted(runtime, job_id)
    assert copy(runtime) == 0, "given up until it is wanted again"
    assert copy(runtime, again=[job_id]) == 1


def test_a_video_that_is_no_longer_in_the_bucket_is_given_up(runtime: Runtime, base: str) -> None:
    job_id = generated(runtime.settings, f"{base}/mov")
    key = transfer(runtime, job_id)["object_key"]
    runtime.objects._s3.delete_object(Bucket=runtime.objects.bucket, Key=key)
    wanted(runtime, job_id)
    for _ in range(copies.MAX_TRIES):
        make_due(runtime)
        assert copy(runtime) == 1
    assert "NoSuchKey" in str(error_of(runtime, job_id))
    make_due(runtime)
    assert copy(runtime) == 0


def test_an_encoder_that_hangs_is_killed(runtime: Runtime, base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maker, "LIMIT_S", 0.05)
    monkeypatch.setattr(copies, "MAX_TRIES", 1)
    job_id = generated(runtime.settings, f"{base}/h265")
    transfer(runtime, job_id)
    wanted(runtime, job_id)
    assert copy(runtime) == 1
    assert "not made within" in str(error_of(runtime, job_id))
    assert encoders() == []


def encoders() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if "copy_process.py" in " ".join(child.cmdline())]


def test_a_stopping_worker_gives_up_its_copy_and_releases_it(runtime: Runtime, base: str) -> None:
    job_id = generated(runtime.settings, f"{base}/h265")
    transfer(runtime, job_id)
    wanted(runtime, job_id)
    thread = threading.Thread(target=copy, args=(runtime,))
    thread.start()
    [process] = wait_for("the encoder runs", encoders)
    wait_for("it has the lowest priority", lambda: process.nice() == 19)
    runtime.start(_drain(runtime)).result(PATIENCE_S)
    thread.join(PATIENCE_S)
    assert encoders() == [] and row_of(runtime, job_id)["playable_key"] is None
    assert copy(runtime) == 1, "it is due at once"
    assert row_of(runtime, job_id)["playable_key"] is not None


def test_a_lease_is_renewed_after_a_renewal_was_refused(
    settings: Settings, base: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Seen: it was not renewed any more, and another worker made the same copy beside this one."""
    short = {"lease_seconds": 1.0, "submit_timeout_seconds": 0.5, "query_timeout_seconds": 0.5}
    with running_runtime(settings.model_copy(update=short), base) as runtime:
        job_id = generated(runtime.settings, f"{base}/mov")
        transfer(runtime, job_id)
        wanted(runtime, job_id)
        turn = runtime.part(PlayableCopies).turn
        runtime.start(turn.acquire()).result(PATIENCE_S)
        thread = threading.Thread(target=copy, args=(runtime,))
        with refused(settings, "playable_copies"):
            with runtime.database.begin() as conn:
                conn.execute("ALTER TABLE playable_copies DISABLE TRIGGER refuse")
            thread.start()
            wait_for("it is leased", lambda: leased(runtime))
            with runtime.database.begin() as conn:
                conn.execute("ALTER TABLE playable_copies ENABLE TRIGGER refuse")
            wait_for("it says so", lambda: "playable.not_renewed" in caplog.text)
            wait_for("the lease has ended", lambda: not leased(runtime))
        wait_for("it is renewed", lambda: leased(runtime))
        runtime.start(_release(turn)).result(PATIENCE_S)
        thread.join(PATIENCE_S)
        assert row_of(runtime, job_id)["playable_key"] is not None


def leased(runtime: Runtime) -> bool:
    with runtime.database.begin() as conn:
        return conn.execute("SELECT FROM playable_copies WHERE leased AND due_at > now()").fetchone() is not None


async def _release(turn: asyncio.Lock) -> None:
    turn.release()


def test_an_encoder_stops_when_its_worker_has_ended(tmp_path: Path) -> None:
    """A killed worker cannot end its encoder, and another worker soon starts one for the same copy."""
    original, said = tmp_path / "original.mp4", tmp_path / "said"
    original.write_bytes(rendered("h265"))
    worker = "import os, subprocess, sys\nsubprocess.Popen([sys.executable, sys.argv[1], str(os.getpid())])"
    with original.open("rb") as source, said.open("wb") as errors, (tmp_path / "copy").open("w+b") as target:
        command = [sys.executable, "-c", worker, copy_process.__file__]
        subprocess.run(command, stdin=source, stdout=target, stderr=errors, check=True)
    assert wait_for("the encoder ends", said.read_text) == "the worker has ended"


async def _drain(runtime: Runtime) -> None:
    runtime.part(PlayableCopies).drain()


def test_a_copy_of_a_deleted_video_does_not_stay(runtime: Runtime, base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = generated(runtime.settings, f"{base}/mov")
    key = transfer(runtime, job_id)["object_key"]
    wanted(runtime, job_id)
    store = copies._store

    async def delete_and_store(*given: Any) -> str:
        with runtime.database.begin() as conn:
            mark_deleted(conn, job_id)
        return await store(*given)

    monkeypatch.setattr(copies, "_store", delete_and_store)
    assert copy(runtime) == 1
    assert runtime.objects.head(playable_key(key)) is None
    assert row_of(runtime, job_id)["playable_key"] is None
    with runtime.database.begin() as conn:
        assert demand_of(conn, job_id) is None
    wanted(runtime, job_id)
    assert copy(runtime) == 0


def test_the_encoder_has_no_secrets(runtime: Runtime, base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REELQ_S3_SECRET_ACCESS_KEY", "a-secret")
    seen: list[list[str]] = []
    execute = asyncio.create_subprocess_exec

    async def noted(*given: Any, **more: Any) -> Any:
        seen.append(sorted(more["env"]))
        return await execute(*given, **more)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", noted)
    job_id = generated(runtime.settings, f"{base}/mov")
    transfer(runtime, job_id)
    wanted(runtime, job_id)
    assert copy(runtime) == 1
    assert seen and not [name for name in seen[0] if name.startswith(("REELQ_", "AWS_", "CELERY_"))]
