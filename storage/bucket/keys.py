"""The keys under which a job's objects lie in the bucket."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

TENANT = "{tenant}"
_SCHEME = "s3://"
VIDEO_TYPES = {"mp4": "video/mp4", "mov": "video/quicktime"}
"""The content type of each container, by the suffix of its keys."""
_VIDEOS = "videos/"
_PLAYABLE = "playable.mp4"


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys for one configured `s3_key_prefix`, which ends with a slash or is empty, and may contain `{tenant}`.

    `bucket`: that of a tenant, which the keys of its videos name; None: the bucket that tenants share. So each job
    knows where its files are, whatever the settings say later.
    """

    prefix: str = ""
    bucket: str | None = None

    @property
    def shared(self) -> str:
        """The part of the prefix that all tenants share."""
        return self.prefix.partition(TENANT)[0]

    @property
    def videos(self) -> str:
        """What the key of every video begins with, for listing."""
        return self.shared if TENANT in self.prefix else f"{self.prefix}{_VIDEOS}"

    def is_video(self, key: str) -> bool:
        """Whether a key is one of those under which only jobs write."""
        return key.startswith(self.videos) and _VIDEOS in key.removeprefix(self.shared)

    @property
    def probe(self) -> str:
        """The key of a small object that shows whether the bucket can be used."""
        return f"{self.shared}{_VIDEOS}probe"

    @property
    def journal(self) -> str:
        """What the key of every segment of the journal begins with; see `storage.journal`."""
        return f"{self.shared}journal/"

    def video(self, tenant: str, job_id: UUID, created_at: datetime, container: str = "mp4") -> str:
        """The key of a job's video: always the same, so that a repeat overwrites the object with itself."""
        where = "" if self.bucket is None else f"{_SCHEME}{self.bucket}/"
        return f"{where}{self.prefix.replace(TENANT, tenant)}{_VIDEOS}{created_at:%Y/%m/%d}/{job_id}.{container}"

    def upload(self, tenant: str, upload_id: UUID, extension: str) -> str:
        """The key of a file that a tenant has uploaded. Each upload has its own, also of the same content."""
        return f"{self.shared}inputs/{tenant}/{upload_id}.{extension}"

    def input(self, reference: str) -> str:
        """The key under which older releases stored the file behind `upload://<sha256>.<ext>`, for all tenants."""
        return f"{self.shared}inputs/{reference.removeprefix('upload://')}"


def bucket_and_name(key: str) -> tuple[str | None, str]:
    """The bucket that a key names, None if it lies in the shared one, and the key within the bucket."""
    if not key.startswith(_SCHEME):
        return None, key
    bucket, _, name = key.removeprefix(_SCHEME).partition("/")
    return bucket, name


def key_beside(video: str, suffix: str) -> str:
    """The key of a video's companion: the same name with another suffix, such as `jpg`."""
    return f"{_name(video)}.{suffix}"


def playable_key(video: str) -> str:
    """The key of a video's playable copy."""
    return key_beside(video, _PLAYABLE)


def type_of_video(key: str) -> str | None:
    """The content type of a video or a copy of one, from its key; None for the key of another file."""
    return VIDEO_TYPES.get(key.rpartition(".")[2])


def keys_of(video: str) -> tuple[str, ...]:
    """Every key under which a job may have stored an object, from the key of its video."""
    suffixes = ("mp4", "jpg", "json", "last.png", "last.jpg", "mov", _PLAYABLE)
    return tuple(key_beside(video, suffix) for suffix in suffixes)


def _name(video: str) -> str:
    for container in VIDEO_TYPES:
        if video.endswith(f".{container}"):
            return video[: -len(container) - 1]
    return video


def job_of(video: str) -> UUID | None:
    """The job whose video has this key, None for any other key."""
    try:
        return UUID(_name(video).rpartition("/")[2]) if _VIDEOS in video else None
    except ValueError:
        return None
