"""Check a finished job's video against its request: bytes, playability, size, length and sound."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from storage.bucket.objects import Objects
from storage.jobs.records import JobView
from storage.jobs.states import JobState

if TYPE_CHECKING:
    from av.container import InputContainer

PIXELS = {"480p": 864 * 480, "720p": 1280 * 720, "1080p": 1920 * 1080, "4k": 3840 * 2160}
_PIXEL_TOLERANCE = 0.12  # gateways round each ratio's sides to what the encoder likes
_RATIO_TOLERANCE = 0.03
_DURATION_TOLERANCE_S = 0.5


@dataclass(frozen=True, slots=True)
class Video:
    """The properties of a completely decoded video. `poster` is the first frame."""

    width: int
    height: int
    duration_s: float
    frames: int
    has_audio: bool
    poster: Image.Image


@dataclass(frozen=True, slots=True)
class Checked:
    """A job, its video (None when it cannot be decoded), and its problems."""

    job: JobView
    video: Video | None
    problems: tuple[str, ...]


def check_job(job: JobView, objects: Objects, target: Path) -> Checked:
    """Copy the job's video from the bucket to `target`, and compare it with the row and with the request.

    Raises:
        StoreUnavailable: the bucket does not answer.
    """
    if job.state is not JobState.SUCCEEDED or job.object_key is None:
        reason = (job.error or {}).get("message") or job.reason or "no reason was kept"
        return Checked(job, None, (f"{job.state}: {reason}",))
    digest = hashlib.sha256()
    size = 0
    with target.open("wb") as file:
        for chunk in objects.chunks(job.object_key):
            digest.update(chunk)
            size += len(chunk)
            file.write(chunk)
    problems = []
    if size != job.size_bytes:
        problems.append(f"{size} bytes in the bucket, {job.size_bytes} in the row")
    if digest.hexdigest() != job.sha256:
        problems.append("SHA-256 in the bucket and in the row differ")
    try:
        video = decode(target)
    except ValueError as exc:
        return Checked(job, None, (*problems, f"does not decode: {exc}"))
    return Checked(job, video, (*problems, *_differences(job, video)))


def decode(path: Path) -> Video:
    """Decode every frame of a video.

    Raises:
        ValueError: it cannot be decoded, or holds no frame.
    """
    import av  # of the extra `media`

    try:
        return _decoded(av.open(str(path)))
    except av.FFmpegError as exc:
        raise ValueError(str(exc)) from exc


def _decoded(opened: InputContainer) -> Video:
    with opened as container:
        stream = container.streams.video[0]
        poster: Image.Image | None = None
        frames = 0
        for frame in container.decode(stream):
            if frames == 0:
                poster = frame.to_image()  # type: ignore[no-untyped-call]  # PyAV leaves it untyped
            frames += 1
        if poster is None:
            raise ValueError("no frame in it")
        length = Fraction(frames) / Fraction(stream.average_rate or 24)
        return Video(poster.width, poster.height, float(length), frames, bool(container.streams.audio), poster)


def _differences(job: JobView, video: Video) -> Iterator[str]:
    request = job.request
    pixels = PIXELS.get(request.get("resolution", ""))
    found = video.width * video.height
    if pixels is not None and abs(found / pixels - 1) > _PIXEL_TOLERANCE:
        yield f"{video.width}×{video.height}, which is not {request['resolution']}"
    ratio = request.get("ratio", "adaptive")
    if ratio != "adaptive":
        wide, high = (int(side) for side in ratio.split(":"))
        if abs(video.width / video.height / (wide / high) - 1) > _RATIO_TOLERANCE:
            yield f"{video.width}×{video.height}, which is not {ratio}"
    duration = request.get("duration", -1)
    if duration != -1 and abs(video.duration_s - duration) > _DURATION_TOLERANCE_S:
        yield f"{video.duration_s:.1f} s long, not {duration} s"
    if request.get("audio") is not None and video.has_audio is not request["audio"]:
        yield "has sound" if video.has_audio else "has no sound"
