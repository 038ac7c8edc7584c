"""Files that were uploaded for jobs."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from reelq_client.models.base import Model, Page


class Upload(Model):
    """A stored file; a job names it by its `url`, `upload://…`. `in_use`: a job that has not ended needs it.
    `expires_at`: when it is deleted if no other job needs it; None: it has no such time."""

    id: UUID
    url: str
    name: str | None
    size_bytes: int
    format: str | None = None
    width: int | None = None
    height: int | None = None
    seconds: float | None = None
    fps: float | None = None
    created_at: datetime
    in_use: bool
    expires_at: datetime | None


class UploadTotals(Model):
    """How much the tenant has, and may have."""

    files: int
    size_bytes: int
    max_files: int
    max_bytes: int


class UploadPage(Page[Upload]):
    """One page of files, newest first."""

    totals: UploadTotals
