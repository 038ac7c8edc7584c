"""Each video gets its companions (last frame, poster, JSON file), and no companion's failure loses the video."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import threading
from collections.abc import Awaitable, Iterator

import pytest
from aiohttp import web
from PIL import Image

from storage.bucket.keys import key_beside
from storage.bucket.objects import PART_BYTES, Objects
from storage.bucket.requests import StoreUnavailable
from storage.settings import Settings
from tests.ruled_store import ruled
from tests.servers import Bucket
from tests.store_door import what
from tests.transfers import Files, a_picture, a_video, generated, running_runtime, transfer
from tests.waiting import PATIENCE_S
from worker.runtime import Runtime
from worker.transferring import poster
from worker.transferring.companions import MAX_PICTURE_BYTES
from worker.transferring.decisions import LAST_FRAME_REFUSALS

ASKS = {"prompt": "a fox", "return_last_frame": True}


@pytest.fixture
def files() -> Files:
    return Files({"/v.mp4": a_video()})


@pytest.fixture
def base(files: Files) -> Iterator[str]:
    with files.running() as url:
        yield url


@pytest.fixture
def runtime(settings: Settings, base: str) -> Iterator[Runtime]:
    with running_runtime(settings, base) as runtime:
        yield runtime


def test_without_sidecars_no_json_file_is_stored_and_nothing_else_changes(
    settings: Settings, files: Files, base: str
) -> None:
    files.bodies["/f.png"] = a_picture("PNG")
    with running_runtime(settings.model_copy(update={"sidecar": False}), base) as runtime:
        row = transfer(runtime, generated(runtime.settings, f"{base}/v.mp4", f"{base}/f.png", ASKS))
        assert (row["state"], row["last_event"]) == ("succeeded", None)
        kept = [key_beside(row["object_key"], suffix) for suffix in ("mp4", "jpg", "last.png")]
        assert [row["object_key"], row["poster_key"], row["last_frame_key"]] == kept
        assert [len(stored(runtime.objects, key)) > 0 for key in kept] == [True] * 3
        with pytest.raises(StoreUnavailable):
            stored(runtime.objects, key_beside(row["object_key"], "json"))
        bare = runtime.settings.model_copy(update={"poster": False})
    with running_runtime(bare, base) as runtime:
        row = transfer(runtime, generated(runtime.settings, f"{base}/v.mp4"))
        assert (row["state"], row["poster_key"], row["last_event"]) == ("succeeded", None, None)
        assert stored(runtime.objects, row["object_key"]) == files.bodies["/v.mp4"]


def stored(objects: Objects, key: str) -> bytes:
    return b"".join(objects.chunks(key))


def is_red(poster: bytes) -> bool:
    with Image.open(io.BytesIO(poster)) as picture:
        assert picture.format == "JPEG"
        red, green, blue = picture.convert("RGB").getpixel((picture.width // 2, picture.height // 2))  # type: ignore[misc] # RGB
    return red > 220 and green < 40 and blue < 40


def test_a_job_succeeds_with_all_its_companions(runtime: Runtime, files: Files, base: str) -> None:
    files.bodies["/f.png"] = a_picture("PNG")
    secret = "https://inputs.example/a.png?X-Amz-Signature=abcdef0123456789"
    request = ASKS | {"reference_images": [secret, "data:image/png;base64," + "A" * 400], "seed": 7}
    job_id = generated(runtime.settings, f"{base}/v.mp4", f"{base}/f.png", request)
    row = transfer(runtime, job_id)
    assert row["state"] == "succeeded"
    assert row["last_event"] is None
    assert (row["video_url"], row["last_frame_url"]) == (None, None)
    key, objects = row["object_key"], runtime.objects
    assert row["poster_key"] == key_beside(key, "jpg")
    assert row["last_frame_key"] == key_beside(key, "last.png")
    assert stored(objects, key) == files.bodies["/v.mp4"]
    assert stored(objects, row["last_frame_key"]) == files.bodies["/f.png"]
    assert is_red(stored(objects, row["poster_key"]))
    text = stored(objects, key_beside(key, "json")).decode()
    written = json.loads(text)
    assert written["video"] == {
        "key": key,
        "size_bytes": len(files.bodies["/v.mp4"]),
        "sha256": hashlib.sha256(files.bodies["/v.mp4"]).hexdigest(),
        "format": row["video_format"],
    }
    assert row["video_format"] == {
        "container": "mp4",
        "codec": "avc1",
        "pixel_format": "yuv420p",
        "width": 64,
        "height": 48,
        "seconds": 0.125,
        "audio": None,
        "playable": True,
    }
    assert (written["job_id"], written["account"], written["gateway"]) == (str(job_id), "main", "anyfast")
    assert (written["model"], written["upstream_id"], written["attempt"], written["seed"]) == (
        "seedance",
        "task-1",
        1,
        7,
    )
    assert written["usage"] == {"total_tokens": 100}
    assert (written["poster"], written["last_frame"]) == (row["poster_key"], row["last_frame_key"])
    assert written["request"]["prompt"] == "a fox"
    assert written["request"]["reference_images"] == [
        "https://inputs.example/a.png?…",
        "data:image/png;base64,… (400 characters)",
    ]
    assert written["created_at"] <= written["generated_at"] or written["created_at"].endswith("Z")
    for leak in ("abcdef0123456789", "sk-test", "AAAA", "v.mp4?"):
        assert leak not in text


def test_no_companion_waits_for_another(settings: Settings, s3: Bucket) -> None:
    """The last frame arrives only once the poster is being made, and the store answers only once it has all three."""
    video = a_video(faststart=False)
    index = video.index(b"moov") - 4
    gap = PART_BYTES + 2 * 2**20  # the index comes some chunks after the first part
    padding = (gap + 8).to_bytes(4, "big") + b"free" + bytes(gap)
    late_index = video[:index] + padding + video[index:]  # the poster cannot be made from the first part
    poster_is_made = threading.Event()
    companions: list[str] = []

    def rule(request: web.Request) -> Awaitable[web.StreamResponse] | None:
        if what(request) == "get" and request.path.endswith(".mp4"):
            poster_is_made.set()
        return together(request) if what(request) == "companion" and len(companions) < 3 else None

    async def together(request: web.Request) -> web.StreamResponse:
        companions.append(request.path.partition(".")[2])
        async with asyncio.timeout(PATIENCE_S):
            while len(companions) < 3:  # noqa: ASYNC110 - counted by other requests
                await asyncio.sleep(0.01)
        return web.Response(headers={"ETag": '"stored"'})

    class WaitingFiles(Files):
        async def serve(self, request: web.Request) -> web.StreamResponse:
            if request.path == "/f.png":
                assert await asyncio.to_thread(poster_is_made.wait, PATIENCE_S)
            return await super().serve(request)

    files = WaitingFiles({"/v.mp4": late_index, "/f.png": a_picture("PNG")})
    with (
        files.running() as base,
        ruled(s3, rule, settings) as (_, ours),
        running_runtime(ours, base) as runtime,
    ):
        row = transfer(runtime, generated(ours, f"{base}/v.mp4", f"{base}/f.png", ASKS))
    assert (row["state"], row["last_event"]) == ("succeeded", None)
    assert sorted(companions) == ["jpg", "json", "last.png"]


def test_a_jpeg_is_a_last_frame_too(runtime: Runtime, files: Files, base: str) -> None:
    files.bodies["/f"] = a_picture("JPEG")
    row = transfer(runtime, generated(runtime.settings, f"{base}/v.mp4", f"{base}/f", ASKS))
    assert row["last_frame_key"] == key_beside(row["object_key"], "last.jpg")


def test_a_late_last_frame_is_retried_without_copying_the_video_again(
    runtime: Runtime, files: Files, base: str
) -> None:
    job_id = generated(runtime.settings, f"{base}/v.mp4", f"{base}/f.png", ASKS)
    for setbacks in (1, 2):
        row = transfer(runtime, job_id)
        assert (row["state"], row["reason"], row["setbacks"]) == ("transferring", "last_frame_refused", setbacks)
        assert row["object_key"] is not None
    assert files.asked.count("/v.mp4") == 1
    assert stored(runtime.objects, row["object_key"]) == files.bodies["/v.mp4"]
    files.bodies["/f.png"] = a_picture("PNG")
    row = transfer(runtime, job_id)
    assert row["state"] == "succeeded"
    assert stored(runtime.objects, row["last_frame_key"]) == files.bodies["/f.png"]
    assert files.asked.count("/v.mp4") == 1
    assert json.loads(stored(runtime.objects, key_beside(row["object_key"], "json")))["last_frame"]


@pytest.mark.parametrize(
    "body", [b"", b"<html>no</html>", a_picture("GIF"), a_picture("PNG")[:-20], a_picture("JPEG")[:-40], None]
)
def test_a_last_frame_that_is_not_a_picture_is_given_up_with_a_note(
    runtime: Runtime, files: Files, base: str, body: bytes | None
) -> None:
    if body is not None:
        files.bodies["/f.png"] = body
    job_id = generated(runtime.settings, f"{base}/v.mp4", f"{base}/f.png", ASKS)
    for _ in range(LAST_FRAME_REFUSALS):
        assert transfer(runtime, job_id)["state"] == "transferring"
    row = transfer(runtime, job_id)
    assert (row["state"], row["last_frame_key"]) == ("succeeded", None)
    assert row["last_event"]["last_frame"].startswith("not stored: ")
    assert runtime.objects.head(key_beside(row["object_key"], "last.png")) is None


def test_a_last_frame_that_was_not_requested_is_tried_once(runtime: Runtime, files: Files, base: str) -> None:
    row = transfer(runtime, generated(runtime.settings, f"{base}/v.mp4", f"{base}/f.png"))
    assert row["state"] == "succeeded"
    assert row["last_event"] == {"last_frame": "not stored: HTTP 404"}


def test_a_last_frame_that_is_too_large_is_not_read(runtime: Runtime, files: Files, base: str) -> None:
    files.bodies["/f.png"] = a_picture("PNG") + bytes(MAX_PICTURE_BYTES)
    row = transfer(runtime, generated(runtime.settings, f"{base}/v.mp4", f"{base}/f.png"))
    assert row["state"] == "succeeded"
    assert "larger than" in row["last_event"]["last_frame"]


def test_a_last_frame_that_the_gateway_omits_is_noted(runtime: Runtime, base: str) -> None:
    row = transfer(runtime, generated(runtime.settings, f"{base}/v.mp4", None, ASKS))
    assert row["state"] == "succeeded"
    assert row["last_event"] == {"last_frame": "requested, but the gateway returned none"}


@pytest.mark.parametrize("faststart", [True, False])
@pytest.mark.parametrize("noise", [False, True])
def test_the_poster_is_the_first_frame_wherever_the_index_of_the_file_is(
    runtime: Runtime, files: Files, base: str, faststart: bool, noise: bool
) -> None:
    size = (640, 480) if noise else (64, 48)
    video = files.bodies["/v.mp4"] = a_video(frames=24 if noise else 3, size=size, faststart=faststart, noise=noise)
    assert (len(video) > PART_BYTES) is noise
    assert (video.index(b"moov") < video.index(b"mdat")) is faststart
    row = transfer(runtime, generated(runtime.settings, f"{base}/v.mp4"))
    assert (row["state"], row["last_event"]) == ("succeeded", None)
    assert is_red(stored(runtime.objects, row["poster_key"]))
    assert stored(runtime.objects, row["object_key"]) == video
    assert files.asked == ["/v.mp4"]


def test_a_video_whose_poster_fails_is_stored_without_it(runtime: Runtime, files: Files, base: str) -> None:
    video = a_video()
    begin = video.index(b"mdat") + 4
    files.bodies["/v.mp4"] = video[:begin] + b"\xff" * (len(video) - begin)
    row = transfer(runtime, generated(runtime.settings, f"{base}/v.mp4"))
    assert (row["state"], row["poster_key"]) == ("succeeded", None)
    assert row["last_event"]["poster"].startswith("not made: ")
    assert stored(runtime.objects, row["object_key"]) == files.bodies["/v.mp4"]


def test_without_a_decoder_each_job_names_the_reason_and_the_log_names_it_once(
    settings: Settings, files: Files, base: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(poster, "find_spec", lambda _name: None)
    with running_runtime(settings, base) as runtime:
        for _ in range(2):
            row = transfer(runtime, generated(settings, f"{base}/v.mp4"))
            assert (row["state"], row["poster_key"]) == ("succeeded", None)
            assert row["last_event"] == {"poster": f"not made: {poster.NO_DECODER}"}
    assert [record.getMessage() for record in caplog.records if "PyAV" in record.getMessage()] == [
        f"poster.no_decoder {poster.NO_DECODER}"
    ]


def test_no_poster_is_made_when_the_setting_is_off(settings: Settings, base: str) -> None:
    with running_runtime(settings, base, poster=False) as runtime:
        row = transfer(runtime, generated(settings, f"{base}/v.mp4"))
        assert (row["state"], row["poster_key"], row["last_event"]) == ("succeeded", None, None)
        assert runtime.objects.head(key_beside(row["object_key"], "jpg")) is None
        assert runtime.objects.head(key_beside(row["object_key"], "json")) is not None


def test_a_url_that_is_not_public_is_not_fetched_and_the_job_names_it(
    settings: Settings, files: Files, base: str
) -> None:
    with running_runtime(settings, "https://gateway.example") as runtime:
        job_id = generated(settings, f"{base}/v.mp4", f"{base}/f.png")
        row = transfer(runtime, job_id)
        assert (row["state"], row["reason"], row["setbacks"]) == ("transferring", "url_not_public", 1)
        transfer(runtime, job_id)
        row = transfer(runtime, job_id)
        assert (row["state"], row["reason"]) == ("generating", "url_not_public"), "a fresh URL is asked for"
        assert row["last_event"] == {"message": "127.0.0.1 is not a public address"}
        assert files.asked == []
        late = generated(settings, f"{base}/v.mp4", age_s=90_000, left_s=-3600)
        assert transfer(runtime, late)["state"] == "generating", "its link is dead: the gateway is asked first"
        with runtime.database.begin() as conn:
            conn.execute("UPDATE jobs SET state = 'transferring', reason = 'no_fresh_link' WHERE id = %s", [late])
        assert transfer(runtime, late)["error"]["code"] == "video_expired"


def test_a_url_that_is_not_public_is_fetched_if_private_networks_are_allowed(settings: Settings, base: str) -> None:
    with running_runtime(settings, "https://gateway.example", allow_private_networks=True) as runtime:
        assert transfer(runtime, generated(settings, f"{base}/v.mp4"))["state"] == "succeeded"
