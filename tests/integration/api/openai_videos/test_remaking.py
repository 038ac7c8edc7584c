"""Remixes, edits and extensions of videos with the real `openai` package."""

from __future__ import annotations

from pathlib import Path

import openai
import pytest

from producer.client import Producer
from storage.bucket.objects import Objects
from storage.settings import Settings
from tests.integration.api.api_server import serving
from tests.integration.api.openai_videos.video_calls import FOX, OMIT, complete
from tests.media_files import clip, picture
from tests.uploaded import key_of

pytestmark = pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning")


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
