"""The fields of a job, as keyword arguments and as rows; docs/jobs.md explains each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from os import PathLike
from typing import Any
from uuid import UUID

from typing_extensions import Required, TypedDict

from reelq_client.models.words import Operation, OutputFormat, Ratio, Resolution, TaskType, Tier

Media = str | PathLike[str]
"""A URL, a data URI, `asset://ID`, `upload://…`, or a `pathlib.Path`, whose file is uploaded first."""


class JobOptions(TypedDict, total=False):
    """Everything of a job but its prompt. None is the same as leaving a field out."""

    tier: Tier | None
    resolution: Resolution | None
    ratio: Ratio | None
    duration: int | None
    audio: bool | None
    first_frame: Media | None
    last_frame: Media | None
    reference_images: Sequence[Media] | None
    reference_videos: Sequence[Media] | None
    reference_audios: Sequence[Media] | None
    operation: Operation | None
    web_search: bool | None
    seed: int | None
    watermark: bool | None
    camera_fixed: bool | None
    return_last_frame: bool | None
    gateway_options: Mapping[str, Any] | None
    model: str | None
    output_format: OutputFormat | None
    task_type: TaskType | None
    draft: bool | None
    draft_of: UUID | str | None
    idempotency_key: str | None
    priority: int | None
    account: str | None
    deadline: float | datetime | None
    webhook_url: str | None
    metadata: Mapping[str, Any] | None
    tags: Sequence[str] | None


class JobFields(JobOptions, total=False):
    """A whole job, as a row of a batch or a campaign."""

    prompt: Required[str]
