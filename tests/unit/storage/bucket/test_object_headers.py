"""The headers that the configuration adds to objects, and names of files for people."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError

from storage.bucket.keys import Keys, job_of
from storage.bucket.object_headers import content_disposition, copy_arguments, object_headers, readable_name
from storage.settings import Settings, load_settings

JOB = UUID("01890a5d-ac96-774b-bcce-b302099a8057")


def test_nothing_is_added_without_settings() -> None:
    assert object_headers(Settings(), video=True) == {}


def test_every_setting_has_its_header() -> None:
    settings = Settings(
        s3_encryption="aws:kms",
        s3_kms_key_id="alias/videos",
        s3_storage_class="STANDARD_IA",
        s3_tags={"team": "video & film", "env": "prod"},
        s3_cache_control="private, max-age=31536000",
    )
    everywhere = {
        "x-amz-server-side-encryption": "aws:kms",
        "x-amz-server-side-encryption-aws-kms-key-id": "alias/videos",
        "x-amz-tagging": "team=video+%26+film&env=prod",
        "Cache-Control": "private, max-age=31536000",
        "Content-Disposition": 'inline; filename="a.mp4"',
    }
    assert object_headers(settings, video=False, filename="a.mp4") == everywhere
    assert object_headers(settings, video=True, filename="a.mp4") == everywhere | {"x-amz-storage-class": "STANDARD_IA"}


def test_a_copy_is_encrypted_and_tagged_like_its_source() -> None:
    assert copy_arguments(Settings()) == {}
    settings = Settings(s3_encryption="AES256", s3_tags={"team": "video"}, s3_cache_control="no-cache")
    found = {"ServerSideEncryption": "AES256", "Tagging": "team=video", "TaggingDirective": "REPLACE"}
    assert copy_arguments(settings) == found


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"s3_kms_key_id": "alias/a"}, "s3_kms_key_id needs s3_encryption"),
        ({"s3_storage_class": "DEEP_ARCHIVE"}, "cannot be read before it is restored"),
        ({"s3_tags": "no tags"}, "team=video&env=prod"),
        ({"s3_key_prefix": "no-slash"}, "s3_key_prefix"),
        ({"s3_key_prefix": "../"}, "no part that is"),
        ({"s3_key_prefix": "{campaign}/"}, "no other braces"),
        ({"s3_public_endpoint_url": "videos.example.com"}, "http:// or https://"),
        ({"s3_endpoint_url": "https://example.com/?a=b"}, "without a query"),
    ],
)
def test_settings_that_cannot_work_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Settings.model_validate(given)


def test_tags_come_from_a_variable_too() -> None:
    for text in ("team=video&env=prod", '{"team": "video", "env": "prod"}'):
        found = load_settings(environ={"REELQ_S3_TAGS": text})
        assert found.s3_tags == {"team": "video", "env": "prod"}


@pytest.mark.parametrize(
    ("campaign", "key", "prompt", "name"),
    [
        ("spring/2026", "sku 1", "a fox", "spring-2026_sku-1"),
        (None, None, "A red fox, over the sea", "A-red-fox-over-the-sea_099a8057"),
        ("春季", None, "一只猫", "春季_一只猫_099a8057"),
        (None, None, '"\r\n../', "099a8057"),
    ],
)
def test_a_file_has_a_name_for_people(campaign: str | None, key: str | None, prompt: str, name: str) -> None:
    assert readable_name(JOB, campaign, key, prompt) == name


def test_a_name_beyond_ascii_has_two_forms() -> None:
    assert content_disposition("a.mp4", "attachment") == 'attachment; filename="a.mp4"'
    assert content_disposition("猫.mp4") == "inline; filename=\"_.mp4\"; filename*=UTF-8''%E7%8C%AB.mp4"


def test_a_prefix_may_name_the_tenant() -> None:
    from datetime import UTC, datetime

    keys = Keys("reelq/{tenant}/")
    video = keys.video("shop", JOB, datetime(2026, 3, 4, tzinfo=UTC))
    assert video == f"reelq/shop/videos/2026/03/04/{JOB}.mp4"
    assert job_of(video) == JOB
    assert keys.is_video(video)
    assert (keys.videos, keys.probe, keys.input("upload://ab.png")) == (
        "reelq/", "reelq/videos/probe", "reelq/inputs/ab.png",
    )  # fmt: skip
    assert not keys.is_video("reelq/inputs/ab.png")
    assert Keys("a/").videos == "a/videos/"
