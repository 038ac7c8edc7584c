"""Files and forms of `/v1/videos`: pictures, clips, broken and too large bodies."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import openai
import pytest

from producer.client import Producer
from producer.http import forms
from storage.bucket.objects import Objects
from storage.settings import Settings
from tests.integration.api.api_server import serving
from tests.integration.api.openai_videos.video_calls import FOX
from tests.media_files import clip, picture
from tests.uploaded import key_of

pytestmark = pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning")


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
