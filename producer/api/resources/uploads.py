"""Uploaded files, as the API shows them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

from pydantic import Field

from storage.settings import Settings
from storage.uploads.records import UploadView


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadResource:
    """An uploaded file of the tenant."""

    id: UUID
    url: Annotated[str, Field(description="What a job names: `upload://…`.")]
    name: str | None
    size_bytes: int
    format: str | None = None
    width: int | None = None
    height: int | None = None
    seconds: float | None = None
    fps: float | None = None
    created_at: datetime
    in_use: Annotated[bool, Field(description="A job that has not ended needs it.")]
    expires_at: Annotated[
        datetime | None, Field(description="When it is deleted if no other job needs it. Null: it has no such time.")
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadTotals:
    """How much the tenant has, and may have."""

    files: int
    size_bytes: int
    max_files: int
    max_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadPage:
    """One page of uploaded files, newest first."""

    data: list[UploadResource]
    next_cursor: str | None
    totals: UploadTotals


def as_upload(view: UploadView, settings: Settings) -> UploadResource:
    """The resource of a file."""
    expires_at = None
    if settings.keep_uploads_days and not view.in_use:
        last = max(view.touched_at, view.last_used_at or view.touched_at)
        expires_at = last + timedelta(days=settings.keep_uploads_days)
    return UploadResource(
        id=view.id,
        url=view.reference,
        name=view.name,
        size_bytes=view.size_bytes,
        created_at=view.created_at,
        in_use=view.in_use,
        expires_at=expires_at,
        **(view.facts or {}),
    )
