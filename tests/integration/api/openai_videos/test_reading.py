"""Reading, downloading and deleting videos with the real `openai` package."""

from __future__ import annotations

from pathlib import Path

import httpx
import openai
import pytest

from producer.client import Producer
from storage.bucket.objects import Objects
from storage.database import connect
from storage.jobs.states import JobState
from storage.settings import Settings
from storage.tenants import keys
from tests.integration.api.api_server import bring, serving
from tests.integration.api.openai_videos.video_calls import FOX, OMIT, complete, extra
from tests.media_files import clip

pytestmark = pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning")
S = JobState


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
        videos.list(after="unknown")


@pytest.mark.parametrize("video_id", ["unknown", "0" * 32, "01a1f7c0-5b1e-7c3a-9d6f-2b8e4f7a1c90"])
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
        videos.get_character("unknown")
    assert caught.value.code == "not_supported"


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
