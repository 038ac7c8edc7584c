"""The OpenAI Videos API with the real `openai` package, against a real server, PostgreSQL and S3."""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from openai import omit

from producer.client import Producer
from producer.http import forms
from storage.bucket.objects import Objects
from storage.database import connect
from storage.jobs import queries, repeated_requests
from storage.jobs.states import JobState
from storage.settings import Settings
from storage.tenants import keys
from tests.integration.api.api_server import bring, serving
from tests.media_files import clip, picture
from tests.uploaded import key_of
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning")
S = JobState
FOX = "a red fox runs through fresh snow"
# The package's types allow a video's id, but it refuses to send one: `extra_body` does.
OMIT: Any = omit


@pytest.fixture
def videos(api: httpx.Client) -> Iterator[openai.resources.Videos]:
    with openai.OpenAI(base_url=f"{api.base_url}/v1", api_key="none", max_retries=0) as client:
        yield client.videos


def only_job(producer: Producer) -> Any:
    with producer.database.begin() as conn:
        [job] = queries.list_jobs(conn, producer.tenant)
    return job


def count(settings: Settings) -> int:
    with connect(settings.require_database_url()) as conn:
        row = conn.execute("SELECT count(*) FROM jobs").fetchone()
    assert row is not None
    return int(row[0])


def extra(video: Any, name: str) -> Any:
    """A member that reelq adds, which the package keeps."""
    return video.model_extra[name]


# --- create ----------------------------------------------------------------------------------------------------------


def test_a_video_is_created_as_at_openai(videos: openai.resources.Videos, producer: Producer) -> None:
    video = videos.create(prompt=FOX, model="sora-2", seconds="8", size="1280x720")
    assert (video.object, video.status, video.progress) == ("video", "queued", 0)
    assert (video.model, video.seconds, video.size) == ("seedance-2.0-fast", "8", "1280x720")
    assert (video.prompt, video.error, video.completed_at, video.expires_at) == (FOX, None, None, None)
    job = only_job(producer)
    assert str(job.id) == video.id
    assert job.request == {"prompt": FOX, "tier": "fast", "duration": 8, "resolution": "720p", "ratio": "16:9"}
    assert video.created_at == int(job.created_at.timestamp())


def test_missing_fields_get_openais_defaults(videos: openai.resources.Videos, producer: Producer) -> None:
    video = videos.create(prompt=FOX)
    assert (video.model, video.seconds, video.size) == ("seedance-2.0", "4", "720x1280")
    assert only_job(producer).request == {"prompt": FOX, "duration": 4, "resolution": "720p", "ratio": "9:16"}


def test_job_fields_in_a_form_get_their_types(videos: openai.resources.Videos, producer: Producer) -> None:
    video = videos.create(
        prompt=FOX,
        extra_body={
            "duration": 6,
            "ratio": "1:1",
            "resolution": "480p",
            "audio": False,
            "seed": None,
            "priority": 9,
            "deadline": 3600,
            "tags": ["spring", "a|b"],
            "metadata": {"ratio": "16:9", "shop": {"sku": "B-17", "猫": ["x", "y"]}},
            "reference_images": ["https://example.com/a.png", "https://example.com/b.png"],
            "gateway_options": {"evolink": {"content_filter": True}},
        },
    )
    job = only_job(producer)
    assert job.request == {
        "prompt": FOX,
        "duration": 6,
        "ratio": "1:1",
        "resolution": "480p",
        "audio": False,
        "reference_images": ["https://example.com/a.png", "https://example.com/b.png"],
        "gateway_options": {"evolink": {"content_filter": True}},
    }
    assert (job.priority, job.tags) == (9, ["spring", "a|b"])
    assert job.metadata == {"ratio": "16:9", "shop": {"sku": "B-17", "猫": ["x", "y"]}}
    assert job.deadline_at is not None
    assert (video.seconds, video.size, extra(video, "metadata")) == ("6", "640x640", job.metadata)


def test_json_is_accepted_like_a_form(api: httpx.Client) -> None:
    body = {"prompt": FOX, "seconds": 12, "size": "1024x1024", "model": "seedance-2.0-fast", "metadata": {"n": 1}}
    answer = api.post("/v1/videos", json=body)
    video = answer.json()
    assert answer.status_code == 200, answer.text
    assert (video["seconds"], video["size"], video["model"]) == ("12", "960x960", "seedance-2.0-fast")
    assert video["metadata"] == {"n": 1}
    assert answer.headers["location"] == f"/v1/videos/{video['id']}"
    assert int(answer.headers["openai-poll-after-ms"]) >= 1000
    assert api.get(answer.headers["location"]).json() == video


MODELS: list[tuple[str, str | None]] = [
    ("sora-2-2025-12-08", "fast"),
    ("sora-2-pro", None),
    ("seedance-2.0", None),
    ("seedance", None),
    ("doubao-seedance-2-0-fast-260128", "fast"),
    ("bytedance/seedance-2.0-fast", "fast"),
]


def test_model_names_select_tiers(videos: openai.resources.Videos, producer: Producer) -> None:
    for model, tier in MODELS:
        video = videos.create(prompt=FOX, model=model)
        assert producer.get(video.id).request.get("tier") == tier, model


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"model": "seedance-1.5-pro"}, "model", "seedance-2.0-fast"),
    ({"model": "seedance-9"}, "model", "seedance-2.0-fast"),
    ({"seconds": "3"}, "seconds", "4 to 30"),
    ({"seconds": "16"}, "seconds", "4 to 15"),
    ({"seconds": "four"}, "seconds", "whole number"),
    ({"size": "1792x1024"}, "size", "480p or 720p"),
    ({"size": "100x3000"}, "size", "near a rendered size"),
    ({"size": "16:9"}, "size", "WIDTHxHEIGHT"),
    ({"size": "1280x720", "extra_body": {"ratio": "1:1"}}, "ratio", "contradicts size"),
    ({"prompt": ""}, "prompt", "required"),
    ({"prompt": " "}, "prompt", "blank"),
    ({"extra_body": {"images": ["https://a.example/b.png"]}}, "images", "reference_images"),
    ({"extra_body": {"audio": "perhaps"}}, "audio", "true or false"),
    ({"extra_body": {"prompt": ["a", "b"]}}, "prompt", "is repeated"),
    ({"extra_body": {"metadata[": "a"}}, "metadata[", "not a name"),
    ({"extra_body": {"first_frame": "/etc/passwd.png"}}, "first_frame", "not taken here"),
    ({"extra_body": {"input_reference": "/etc/passwd.png"}}, "input_reference", "not taken here"),
    ({"extra_body": {"first_frame": f"upload://{'0' * 64}.png"}}, "first_frame", "is unknown"),
    ({"extra_body": {"input_reference": {"file_id": "file-1"}}}, "input_reference.file_id", "image_url"),
    ({"extra_body": {"input_reference": {"image_url": "ftp://a/b.png"}}}, "input_reference", "http(s)"),
    ({"extra_body": {"input_reference": {"image_url": "data:image/png;base64,@@@@"}}}, "input_reference", "base64"),
    ({"input_reference": ("a.png", b"no picture")}, "input_reference", "a.png"),
    ({"input_reference": ("a.png", b"")}, "input_reference", "empty"),
    ({"input_reference": ("../../etc/a.png", picture(3000, 30))}, "input_reference", "a.png"),
    ({"input_reference": ("a.wav", b"RIFF\0\0\0\0WAVEfmt ")}, "input_reference", "not a sound"),
]


def test_invalid_fields_are_refused_by_the_callers_name(videos: openai.resources.Videos, configured: Settings) -> None:
    for fields, param, said in REFUSED:
        with pytest.raises(openai.UnprocessableEntityError) as caught:
            videos.create(**{"prompt": FOX, **fields})
        assert said in str(caught.value.body["message"]), fields  # type: ignore[index]
        assert (caught.value.type, caught.value.code) == ("invalid_request_error", "invalid_request")
        assert caught.value.param == param, fields
        assert "/tmp" not in str(caught.value) and "reelq-form" not in str(caught.value)
    assert count(configured) == 0


# --- files -----------------------------------------------------------------------------------------------------------


def test_an_uploaded_picture_is_checked_and_stored(
    videos: openai.resources.Videos, producer: Producer, configured: Settings, tmp_path: Path
) -> None:
    content = picture(720, 1280)
    path = tmp_path / "first.png"
    path.write_bytes(content)
    as_data = f"data:image/png;base64,{base64.b64encode(content).decode()}"
    # A data URI that is too long for a text field goes another way than a short one.
    noise = picture(720, 1280, form="BMP")
    long = f"data:image/bmp;base64,{base64.b64encode(noise).decode()}"
    assert len(as_data) < forms.MAX_VALUE_BYTES < len(long)
    ids = [
        videos.create(prompt=FOX, input_reference=path).id,
        videos.create(prompt=FOX, input_reference=("anything", io.BytesIO(content))).id,
        videos.create(prompt=FOX, input_reference=content).id,
        videos.create(prompt=FOX, extra_body={"input_reference": {"image_url": as_data}}).id,
        videos.create(prompt=FOX, extra_body={"input_reference": {"image_url": long}}).id,
    ]
    frames = [producer.get(item).request["first_frame"] for item in ids]
    assert len(set(frames[:4])) == 1 and frames[0].startswith("upload://") and frames[0].endswith(".png")
    objects = Objects(configured)
    for frame, expected in ((frames[0], content), (frames[4], noise)):
        assert b"".join(objects.chunks(key_of(configured, frame))) == expected
    linked = videos.create(prompt=FOX, extra_body={"input_reference": {"image_url": "https://example.com/a.png"}})
    assert producer.get(linked.id).request["first_frame"] == "https://example.com/a.png"


def test_clips_are_references_and_job_fields_accept_files(
    videos: openai.resources.Videos, api: httpx.Client, producer: Producer, tmp_path: Path
) -> None:
    video = videos.create(prompt=FOX, input_reference=clip(tmp_path / "a.mp4"))
    [reference] = producer.get(video.id).request["reference_videos"]
    assert reference.startswith("upload://") and reference.endswith(".mp4")
    files = [
        ("reference_images[]", ("a.png", picture(400, 300))),
        ("reference_images[]", ("b.jpg", picture(400, 300, form="JPEG"))),
    ]
    answer = api.post("/v1/videos", data={"prompt": FOX}, files=files)
    assert answer.status_code == 200, answer.text
    images = producer.get(answer.json()["id"]).request["reference_images"]
    assert [image.rpartition(".")[2] for image in images] == ["png", "jpg"]
    for name in ("prompt", "metadata[a]", "tags[]", "model"):
        wrong = api.post("/v1/videos", data={"size": "1280x720"}, files=[(name, ("a.png", b"x"))])
        assert wrong.status_code == 422, wrong.text
        assert "reelq-form" not in wrong.text


def form(boundary: str, *parts: bytes, end: bool = True) -> bytes:
    body = b"".join(b"--" + boundary.encode() + b"\r\n" + part + b"\r\n" for part in parts)
    return body + (f"--{boundary}--\r\n".encode() if end else b"")


def part(name: str, value: bytes, more: bytes = b"") -> bytes:
    return f'Content-Disposition: form-data; name="{name}"'.encode() + more + b"\r\n\r\n" + value


BROKEN_FORMS: list[tuple[str, bytes, int]] = [
    ("multipart/form-data", b"", 400),
    ("multipart/form-data; boundary=x", b"", 400),
    ("multipart/form-data; boundary=x", b"garbage", 400),
    ("multipart/form-data; boundary=x", form("x", part("prompt", b"a"), end=False), 400),
    ("multipart/form-data; boundary=x", form("x", part("prompt", b"\xff")), 400),
    ("multipart/form-data; boundary=x", form("x", b"Content-Type: text/plain\r\n\r\na"), 400),
    ("multipart/form-data; boundary=x", form("x", b"Content-Disposition: attachment\r\n\r\na"), 400),
    ("multipart/form-data; boundary=x", form("x", b"A: " + b"b" * 9000 + b"\r\n\r\na"), 400),
    (f"multipart/form-data; boundary={'x' * 500}", b"", 400),
    ("multipart/form-data; boundary=x", form("x", *[part("a[]", b"1")] * 300), 413),
    ("multipart/form-data; boundary=x", form("x", part("prompt", b"a" * 70_000)), 413),
    ("multipart/form-data; boundary=x", form("x", *[part("tags[]", b"a" * 60_000)] * 20), 413),
    ("multipart/form-data; boundary=x", form("x", *[part("f[]", b"", b'; filename="a"')] * 20), 413),
    ("multipart/form-data; boundary=x", form("x", part("metadata" + "[a]" * 50, b"1")), 422),
    ("multipart/form-data; boundary=x", form("x", part("metadata", b"1"), part("metadata[a]", b"1")), 422),
    ("application/x-www-form-urlencoded", b"prompt=a", 415),
]


def test_invalid_forms_are_refused(api: httpx.Client) -> None:
    for kind, body, status in BROKEN_FORMS:
        answer = api.post("/v1/videos", content=body, headers={"Content-Type": kind})
        assert answer.status_code == status, (kind, body[:60], answer.text)
        assert answer.headers["content-type"] == "application/problem+json"


def test_a_form_that_is_too_large_is_refused_early(api: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forms, "MAX_FORM_BYTES", 300_000)
    sent = 0

    def body() -> Iterator[bytes]:
        nonlocal sent
        yield b"--x\r\n" + part("input_reference", b"", b'; filename="a.png"')
        for _ in range(10_000):
            sent += 65536
            yield b"a" * 65536

    with suppress(httpx.WriteError, httpx.ReadError):  # the server answers and closes while the client is still sending
        answer = api.post("/v1/videos", content=body(), headers={"Content-Type": "multipart/form-data; boundary=x"})
        assert answer.status_code == 413
    assert sent < 100 * 2**20
    declared = api.post("/v1/videos", files={"input_reference": ("a.png", b"a" * 400_000)})
    assert (declared.status_code, declared.json()["code"]) == (413, "body_too_large")
    assert api.get("/v1/videos").status_code == 200


def test_few_uploads_are_read_at_the_same_time(configured: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("producer.http.service.MAX_UPLOADS", 0)
    with serving(configured) as api:
        answer = api.post("/v1/videos", data={"prompt": FOX}, files={"input_reference": ("a.png", picture())})
        assert (answer.status_code, answer.json()["code"]) == (503, "busy")
        assert api.post("/v1/videos", files={"prompt": (None, FOX)}).status_code == 200, "text needs no room"


# --- once only -------------------------------------------------------------------------------------------------------


def repeat(api: httpx.Client, repetition: int | None, **fields: Any) -> httpx.Response:
    headers = {} if repetition is None else {"x-stainless-retry-count": str(repetition)}
    answer = api.post("/v1/videos", files={name: (None, value) for name, value in fields.items()}, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer


def test_a_repetition_of_a_lost_answer_is_the_first_video(api: httpx.Client, configured: Settings) -> None:
    first = repeat(api, 0, prompt=FOX).json()
    again = repeat(api, 1, prompt=FOX)
    assert (again.json()["id"], again.headers["idempotency-replayed"]) == (first["id"], "true")
    assert repeat(api, 2, prompt=FOX).json()["id"] == first["id"]
    assert count(configured) == 1
    # An intended second video: a first try is always a new video.
    assert repeat(api, 0, prompt=FOX).json()["id"] != first["id"]
    assert repeat(api, 1, prompt="another").json()["id"] != first["id"]
    assert count(configured) == 3
    # Without the header, a repetition cannot be recognised.
    assert repeat(api, None, prompt=FOX).json()["id"] != repeat(api, None, prompt=FOX).json()["id"]


def test_equal_requests_that_were_all_lost_are_repeated_one_by_one(api: httpx.Client, configured: Settings) -> None:
    def send(repetition: int) -> list[str]:
        with ThreadPoolExecutor(4) as pool:
            return [found.json()["id"] for found in pool.map(lambda _: repeat(api, repetition, prompt=FOX), range(4))]

    first = send(0)
    assert len(set(first)) == 4
    assert sorted(send(1)) == sorted(first)
    # A fifth, whose first try never arrived.
    assert repeat(api, 1, prompt=FOX).json()["id"] not in first
    assert count(configured) == 5


def test_a_repetition_during_the_first_request_is_one_video(
    api: httpx.Client, configured: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrived, go_on = threading.Event(), threading.Event()
    real = Producer.store

    def store(*args: Any, **more: Any) -> Any:
        if not arrived.is_set():
            arrived.set()
            assert go_on.wait(PATIENCE_S)
        return real(*args, **more)

    monkeypatch.setattr(Producer, "store", store)
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(repeat, api, 0, prompt=FOX)
        assert arrived.wait(PATIENCE_S)
        again = repeat(api, 1, prompt=FOX).json()["id"]
        go_on.set()
        assert slow.result(PATIENCE_S).json()["id"] == again
    assert count(configured) == 1


def test_the_package_repeats_a_lost_answer_and_pays_once(
    api: httpx.Client, configured: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered = Producer.get
    failures = iter([True])

    def get(self: Producer, job_id: Any) -> Any:
        if next(failures, False):
            raise RuntimeError("after the job was stored")
        return answered(self, job_id)

    monkeypatch.setattr(Producer, "get", get)
    with openai.OpenAI(base_url=f"{api.base_url}/v1", api_key="none", max_retries=2) as client:
        video = client.videos.create(prompt=FOX, input_reference=picture(720, 1280))
    assert video.status == "queued"
    assert count(configured) == 1


def test_a_key_of_the_client_comes_first(videos: openai.resources.Videos, configured: Settings) -> None:
    headers = {"Idempotency-Key": "fox-1"}
    first = videos.create(prompt=FOX, extra_headers=headers)
    assert videos.create(prompt=FOX, extra_body={"idempotency_key": "fox-1"}).id == first.id
    with pytest.raises(openai.UnprocessableEntityError) as caught:
        videos.create(prompt="another", extra_headers=headers)
    assert caught.value.code == "idempotency_conflict"
    assert count(configured) == 1


def test_old_request_keys_are_removed(configured: Settings) -> None:
    with connect(configured.require_database_url()) as conn:
        conn.execute(
            "INSERT INTO request_keys (tenant, fingerprint, repetition, key, at) "
            "SELECT 'default', 'old', 0, n::text, now() - interval '1 hour' FROM generate_series(1, 30) n"
        )
        assert repeated_requests.key_for(conn, "default", "old", 1).startswith("request:"), (
            "an old request is not repeated"
        )
        repeated_requests.key_for(conn, "default", "new", 0)
        row = conn.execute("SELECT count(*) FROM request_keys").fetchone()
    assert row == (2,)


# --- look ------------------------------------------------------------------------------------------------------------


def test_each_state_is_one_of_four_statuses(videos: openai.resources.Videos, producer: Producer) -> None:
    expected = {
        S.SUBMITTING: ("in_progress", 0),
        S.UNCONFIRMED: ("in_progress", 0),
        S.GENERATING: ("in_progress", 0),
        S.TRANSFERRING: ("in_progress", 99),
        S.SUCCEEDED: ("completed", 100),
        S.FAILED: ("failed", 0),
    }
    for state, (status, progress) in expected.items():
        video_id = videos.create(prompt=FOX).id
        bring(producer, video_id, state)
        video = videos.retrieve(video_id)
        assert (video.status, video.progress, extra(video, "state")) == (status, progress, state)
        assert (video.completed_at is not None) == (state is S.SUCCEEDED)
        assert (video.error is not None) == (state is S.FAILED)
    assert video.error is not None
    assert (video.error.code, video.error.message) == ("x", "y")
    cancelled = videos.create(prompt=FOX).id
    producer.cancel(cancelled)
    found = videos.poll(cancelled)
    assert found.status == "failed" and found.error is not None and found.error.code == "cancelled"


def test_progress_and_poll_interval_follow_recent_times(
    api: httpx.Client, videos: openai.resources.Videos, producer: Producer, configured: Settings
) -> None:
    video_id = videos.create(prompt=FOX).id
    bring(producer, video_id, S.GENERATING)
    with connect(configured.require_database_url()) as conn:
        conn.execute(
            "INSERT INTO durations (account, tier, resolution, duration, seconds) VALUES ('main', '', '720p', '4', %s)",
            [[100.0] * 20],
        )
        conn.execute("UPDATE jobs SET submitted_at = now() - interval '60 s'")
    with serving(configured) as fresh:
        answer = fresh.get(f"/v1/videos/{video_id}")
    assert 55 <= answer.json()["progress"] <= 90
    assert answer.headers["openai-poll-after-ms"] == str(100_000 // 15)
    assert api.get(f"/v1/videos/{video_id}").headers["openai-poll-after-ms"] == "5000", "not read again at once"


def test_a_list_is_paged_in_both_orders(videos: openai.resources.Videos, api: httpx.Client) -> None:
    empty = videos.list()
    assert (empty.data, empty.has_more, empty.last_id) == ([], False, None)
    made = [videos.create(prompt=f"{FOX} {number}").id for number in range(5)]
    assert [video.id for video in videos.list(limit=2)] == made[::-1]
    assert [video.id for video in videos.list(limit=2, order="asc")] == made
    page = api.get("/v1/videos", params={"limit": 2}).json()
    assert (page["has_more"], page["first_id"], page["last_id"]) == (True, made[4], made[3])
    assert [video.id for video in videos.list(after=made[1])] == made[:1]
    for wrong in ({"limit": 0}, {"limit": 101}, {"order": "newest"}):
        assert api.get("/v1/videos", params=wrong).status_code == 422
    with pytest.raises(openai.NotFoundError):
        videos.list(after="nobody")


@pytest.mark.parametrize("video_id", ["nobody", "0" * 32, "01a1f7c0-5b1e-7c3a-9d6f-2b8e4f7a1c90"])
def test_what_is_not_there_is_not_found(videos: openai.resources.Videos, video_id: str) -> None:
    for ask in (
        lambda: videos.retrieve(video_id),
        lambda: videos.delete(video_id),
        lambda: videos.download_content(video_id),
        lambda: videos.remix(video_id, prompt=FOX),
        lambda: videos.edit(prompt=FOX, video=OMIT, extra_body={"video": {"id": video_id}}),
        lambda: videos.extend(prompt=FOX, seconds="4", video=OMIT, extra_body={"video": {"id": video_id}}),
    ):
        with pytest.raises(openai.NotFoundError) as caught:
            ask()
        assert caught.value.code == "video_not_found"
    with pytest.raises(openai.NotFoundError) as caught:
        videos.get_character("nobody")
    assert caught.value.code == "not_supported"


# --- what becomes of a video -----------------------------------------------------------------------------------------


def complete(producer: Producer, settings: Settings, video_id: str, path: Path) -> dict[str, Any]:
    """Bring a video to its end with real files in the bucket."""
    objects = Objects(settings)
    key = f"videos/{video_id}.mp4"
    stored = {"object_key": key, "poster_key": f"videos/{video_id}.jpg"}
    objects.put_file(path, key)
    poster = path.with_suffix(".jpg")
    poster.write_bytes(picture(64, 64, form="JPEG"))
    objects.put_file(poster, stored["poster_key"])
    bring(producer, video_id, S.SUCCEEDED, **stored, sha256="ab" * 32, size_bytes=path.stat().st_size)
    return stored


def test_files_are_downloaded_and_deleted_for_good(
    videos: openai.resources.Videos, api: httpx.Client, producer: Producer, configured: Settings, tmp_path: Path
) -> None:
    video_id = videos.create(prompt=FOX).id
    with pytest.raises(openai.ConflictError) as early:
        videos.download_content(video_id)
    assert early.value.response.headers["x-should-retry"] == "false"
    path = clip(tmp_path / "a.mp4")
    stored = complete(producer, configured, video_id, path)
    assert videos.download_content(video_id).read() == path.read_bytes()
    assert videos.download_content(video_id, variant="video").read() == path.read_bytes()
    assert videos.download_content(video_id, variant="thumbnail").read()[:3] == b"\xff\xd8\xff"
    with pytest.raises(openai.UnprocessableEntityError, match="spritesheet is not supported") as caught:
        videos.download_content(video_id, variant="spritesheet")
    assert caught.value.param == "variant"

    deleted = videos.delete(video_id)
    assert (deleted.id, deleted.object, deleted.deleted) == (video_id, "video.deleted", True)
    objects = Objects(configured)
    assert [objects.head(key) for key in stored.values()] == [None, None]
    for ask in (videos.retrieve, videos.download_content):
        with pytest.raises(openai.NotFoundError):
            ask(video_id)
    assert videos.list().data == []
    assert videos.delete(video_id).deleted, "deleting it again changes nothing"
    # Its record stays.
    job = api.get(f"/v1/jobs/{video_id}").json()
    assert (job["state"], job["object_key"]) == ("succeeded", None)
    assert job["deleted_at"] is not None and "video" not in job["links"]
    gone = api.get(f"/v1/jobs/{video_id}/video")
    assert gone.status_code == 409 and "was deleted" in gone.json()["detail"]


def test_deleting_an_unfinished_video_says_what_is_billed(
    videos: openai.resources.Videos, api: httpx.Client, producer: Producer
) -> None:
    queued = videos.create(prompt=FOX).id
    assert videos.delete(queued).deleted
    assert producer.get(queued).state is S.CANCELLED
    running = videos.create(prompt=FOX).id
    bring(producer, running, S.GENERATING)
    with pytest.raises(openai.ConflictError, match="will be billed"):
        videos.delete(running)
    assert videos.retrieve(running).status == "in_progress"
    assert videos.delete(running, extra_query={"discard": True}).deleted
    job = producer.get(running)
    assert (job.state, job.reason) == (S.CANCELLED, "discarded")
    submitting = videos.create(prompt=FOX).id
    bring(producer, submitting, S.SUBMITTING)
    with pytest.raises(openai.ConflictError, match="being cancelled"):
        videos.delete(submitting)


def test_a_video_is_made_from_another(
    videos: openai.resources.Videos, producer: Producer, configured: Settings, tmp_path: Path
) -> None:
    source = videos.create(
        prompt=FOX,
        model="seedance-2.0",
        size="864x496",  # type: ignore[arg-type] # ours
        extra_body={"audio": False, "seed": 7},
    )
    with pytest.raises(openai.ConflictError, match="only a completed video"):
        videos.remix(source.id, prompt="at night")
    path = clip(tmp_path / "a.mp4")
    complete(producer, configured, source.id, path)
    kept = f"upload://{'ab' * 32}.mp4"
    taken_over = {"resolution": "480p", "ratio": "16:9", "audio": False, "reference_videos": [kept]}

    remix = videos.remix(source.id, prompt="at night")
    assert remix.remixed_from_video_id == source.id
    assert producer.get(remix.id).request == taken_over | {"prompt": "at night", "duration": 4, "operation": "edit"}
    assert b"".join(Objects(configured).chunks(key_of(configured, kept))) == path.read_bytes()
    edit = videos.edit(prompt="in rain", video=OMIT, extra_body={"video": {"id": source.id}, "metadata": {"a": "b"}})
    job = producer.get(edit.id)
    assert job.request == taken_over | {"prompt": "in rain", "duration": 4, "operation": "edit"}
    assert job.metadata == {"remixed_from_video_id": source.id, "a": "b"}
    longer = videos.extend(prompt="it stops", seconds="8", video=OMIT, extra_body={"video": {"id": source.id}})
    assert producer.get(longer.id).request == taken_over | {
        "prompt": "it stops",
        "duration": 8,
        "operation": "extend",
    }
    own = videos.edit(prompt="in rain", video=path, extra_body={"resolution": "480p"})
    request = producer.get(own.id).request
    assert request["operation"] == "edit" and request["duration"] == 4
    assert request["reference_videos"][0].startswith("upload://") and request["reference_videos"] != [kept]

    videos.delete(source.id)
    with pytest.raises(openai.NotFoundError):
        videos.remix(source.id, prompt="at night")
    assert Objects(configured).head(key_of(configured, kept)) is not None, "the remix still needs it"


def test_impossible_edits_and_extensions_are_refused(
    settings: Settings, tmp_path: Path, videos: openai.resources.Videos
) -> None:
    for fields, param in (
        ({"extra_body": {"video": {"file_id": "a"}}}, "video"),
        ({"extra_body": {"video": "https://example.com/a.mp4"}}, "video"),
        ({}, "video"),
        ({"video": ("a.mp4", b"no clip")}, "video"),
        ({"video": ("a.png", picture())}, "video"),
    ):
        with pytest.raises(openai.UnprocessableEntityError) as caught:
            videos.edit(**{"prompt": FOX, "video": OMIT, **fields})
        assert caught.value.param == param
    twelve = {"accounts": [{"name": "twelve", "gateway": "12ai", "api_key": "sk-secret-of-twelve"}]}
    cannot = Settings.model_validate(settings.model_dump() | twelve)
    path = clip(tmp_path / "a.mp4")
    with (
        serving(cannot) as api,
        openai.OpenAI(base_url=f"{api.base_url}/v1", api_key="x", max_retries=0) as client,
        pytest.raises(openai.UnprocessableEntityError, match="12ai documents no extend"),
    ):
        client.videos.extend(prompt=FOX, seconds="8", video=path)


def test_tenants_do_not_see_each_others_videos(
    api: httpx.Client, producer: Producer, configured: Settings, tmp_path: Path
) -> None:
    with producer.database.begin() as conn:
        made = {name: keys.new_key(conn, name, "test", ["enqueue", "read"])[0] for name in ("here", "there")}
    here, there = (
        openai.OpenAI(base_url=f"{api.base_url}/v1", api_key=made[name], max_retries=0) for name in ("here", "there")
    )
    with here, there:
        headers = {"x-stainless-retry-count": "1"}
        video_id = here.videos.create(prompt=FOX).id
        complete(producer.as_tenant("here"), configured, video_id, clip(tmp_path / "a.mp4"))
        assert [video.id for video in here.videos.list()] == [video_id]
        assert there.videos.list().data == []
        for ask in (
            lambda: there.videos.retrieve(video_id),
            lambda: there.videos.delete(video_id),
            lambda: there.videos.download_content(video_id),
            lambda: there.videos.remix(video_id, prompt=FOX),
            lambda: there.videos.edit(prompt=FOX, video=OMIT, extra_body={"video": {"id": video_id}}),
        ):
            with pytest.raises(openai.NotFoundError):
                ask()
        assert there.videos.create(prompt=FOX, extra_headers=headers).id != video_id
        assert here.videos.download_content(video_id).read()


def test_the_async_client_works_too(api: httpx.Client) -> None:
    import asyncio

    async def run() -> list[str]:
        async with openai.AsyncOpenAI(base_url=f"{api.base_url}/v1", api_key="x", max_retries=0) as client:
            made = await client.videos.create(prompt=FOX, input_reference=picture(720, 1280))
            return [made.id, *[video.id async for video in client.videos.list()]]

    made, *listed = asyncio.run(run())
    assert listed == [made]
    assert json.loads(api.get(f"/v1/videos/{made}").text)["id"] == made
