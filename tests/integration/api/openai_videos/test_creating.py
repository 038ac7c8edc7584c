"""Creating a video with the real `openai` package, against a real server and PostgreSQL."""

from __future__ import annotations

import json
from typing import Any

import httpx
import openai
import pytest

from producer.client import Producer
from storage.settings import Settings
from tests.integration.api.openai_videos.video_calls import FOX, count, extra, only_job
from tests.media_files import picture

pytestmark = pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning")


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
    ({"prompt": " "}, "prompt", "is required"),
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
        assert said in str(caught.value.body["message"]), fields  # type: ignore[index]  # its type is object
        assert (caught.value.type, caught.value.code) == ("invalid_request_error", "invalid_request")
        assert caught.value.param == param, fields
        assert "/tmp" not in str(caught.value) and "reelq-form" not in str(caught.value)
    assert count(configured) == 0


def test_the_async_client_works_too(api: httpx.Client) -> None:
    import asyncio

    async def run() -> list[str]:
        async with openai.AsyncOpenAI(base_url=f"{api.base_url}/v1", api_key="x", max_retries=0) as client:
            made = await client.videos.create(prompt=FOX, input_reference=picture(720, 1280))
            return [made.id, *[video.id async for video in client.videos.list()]]

    made, *listed = asyncio.run(run())
    assert listed == [made]
    assert json.loads(api.get(f"/v1/videos/{made}").text)["id"] == made
