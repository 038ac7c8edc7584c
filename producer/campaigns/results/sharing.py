"""The page that a shared link opens: the finished videos of a campaign, for people without a key."""

from __future__ import annotations

from uuid import UUID

from producer.campaigns.results.columns import Links
from producer.campaigns.results.results import Result, Results
from storage.campaigns.reviews import Review
from storage.campaigns.rows import RowFilter
from storage.campaigns.shares import Share
from storage.database import Database
from storage.jobs.states import JobState

PATH = "/share/"


def share_url(base: str | None, token: str) -> str:
    """The URL of a shared link; `base`: where clients reach the API, None: not known, and the URL is relative."""
    return f"{(base or '').rstrip('/')}{PATH}{token}"


def shared(database: Database, share: Share, row_id: UUID | None = None) -> Results:
    """What a link shows: videos in the bucket, approved ones or all that are not rejected. `row_id`: only this row."""
    reviews = (Review.APPROVED,) if share.approved_only else (Review.OPEN, Review.APPROVED)
    wanted = RowFilter(ids=None if row_id is None else (row_id,), states=(JobState.SUCCEEDED,), reviews=reviews)
    return Results(database, share.tenant, share.campaign, wanted)


def links_below(path: str) -> Links:
    """Links below the page itself, where the token is checked again."""
    return Links(lambda result: f"{path}/{result.row.id}/video", lambda result: f"{path}/{result.row.id}/poster")


def file_key(result: Result, what: str) -> str | None:
    """The key of a file of a shared row: its `video`, or a copy that every browser plays, or its `poster`."""
    return result.shown.poster_key if what == "poster" else result.shown.playable_key or result.shown.object_key
