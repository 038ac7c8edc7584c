"""What the tests of `/v1/videos` share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from openai import omit

from producer.client import Producer
from storage.bucket.objects import Objects
from storage.database import connect
from storage.jobs import queries
from storage.jobs.states import JobState
from storage.settings import Settings
from tests.integration.api.api_server import bring
from tests.media_files import picture

FOX = "a red fox runs through fresh snow"
# The package's types allow a video's id, but it refuses to send one: `extra_body` does.
OMIT: Any = omit


def only_job(producer: Producer) -> Any:
    with producer.database.begin() as conn:
        [job] = queries.page_of_jobs(conn, queries.JobFilter(producer.tenant))
    return job


def count(settings: Settings) -> int:
    with connect(settings.require_database_url()) as conn:
        row = conn.execute("SELECT count(*) FROM jobs").fetchone()
    assert row is not None
    return int(row[0])


def extra(video: Any, name: str) -> Any:
    """A member that reelq adds, which the package keeps."""
    return video.model_extra[name]


def complete(producer: Producer, settings: Settings, video_id: str, path: Path) -> dict[str, Any]:
    """Bring a video to its end with real files in the bucket."""
    objects = Objects(settings)
    key = f"videos/{video_id}.mp4"
    stored = {"object_key": key, "poster_key": f"videos/{video_id}.jpg"}
    objects.put_file(path, key)
    poster = path.with_suffix(".jpg")
    poster.write_bytes(picture(64, 64, form="JPEG"))
    objects.put_file(poster, stored["poster_key"])
    bring(producer, video_id, JobState.SUCCEEDED, **stored, sha256="ab" * 32, size_bytes=path.stat().st_size)
    return stored
