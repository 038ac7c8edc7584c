"""The rows of a campaign with their results, and links that show them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from reelq_client.models.base import Model, Open
from reelq_client.models.words import JobState, Review


class RowReview(Model):
    """What a person decided about a row's video."""

    state: Open[Review]
    at: datetime | None
    by: str | None
    comment: str | None


class ResultRow(Model):
    """A row of a campaign's sheet and the job that stands for it. `row`: as a spreadsheet counts; `variant`: which of
    several videos of the row; `columns`: its cells by the names of the columns. All other members of the job are
    attributes too."""

    id: UUID
    state: Open[JobState]
    row: int
    sheet: int
    variant: str
    key: str | None
    columns: dict[str, Any]
    versions: int
    review: RowReview
    request: dict[str, Any]
    error: dict[str, Any] | None
    cost: dict[str, Any] | None
    size_bytes: int | None
    sha256: str | None
    object_key: str | None
    video_url: str | None
    poster_url: str | None


class Share(Model):
    """A link to a campaign's videos that needs no key. `approved_only`: it shows approved videos only, else all that
    are not rejected."""

    id: UUID
    approved_only: bool
    created_at: datetime
    created_by: str | None
    expires_at: datetime
    revoked_at: datetime | None


class NewShare(Share):
    """A link that was just made; only this answer has its `url`."""

    url: str


class ShareList(Model):
    """The links of a campaign, newest first."""

    data: list[Share]
