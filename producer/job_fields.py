"""The fields of a job as arguments, for editors and type checkers; docs/jobs.md says what they mean.

`JobSpec` checks them, and a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypedDict

from seedance.request import Operation, OutputFormat, Ratio, Resolution, TaskType, Tier


class JobFields(TypedDict, total=False):
    """Every field but the prompt; None is the same as leaving a field out."""

    tier: Tier | None
    model: str | None
    resolution: Resolution | None
    ratio: Ratio | None
    duration: int | None
    audio: bool | None
    first_frame: str | None
    last_frame: str | None
    reference_images: Sequence[str] | None
    reference_videos: Sequence[str] | None
    reference_audios: Sequence[str] | None
    operation: Operation | None
    task_type: TaskType | None
    output_format: OutputFormat | None
    draft: bool | None
    web_search: bool | None
    seed: int | None
    watermark: bool | None
    camera_fixed: bool | None
    return_last_frame: bool | None
    gateway_options: Mapping[str, Any] | None
    idempotency_key: str | None
    priority: int | None
    account: str | None
    deadline: float | datetime | str | None
    webhook_url: str | None
    metadata: Mapping[str, Any] | None
    tags: Sequence[str] | None
