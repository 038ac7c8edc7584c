"""Shared links as the API shows them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from storage.campaigns.shares import Share


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareResource:
    """A link to a campaign's videos that needs no key."""

    id: UUID
    approved_only: Annotated[bool, Field(description="It shows approved videos only, else all that are not rejected.")]
    created_at: datetime
    created_by: Annotated[str | None, Field(description="Who made it.")]
    expires_at: datetime
    revoked_at: Annotated[datetime | None, Field(description="Null: not revoked.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewShare(ShareResource):
    """A link that was just made."""

    url: Annotated[str, Field(description="Opens the page. It is shown only now.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareList:
    """The links of a campaign."""

    data: list[ShareResource]


def as_share(share: Share) -> dict[str, Any]:
    """The fields of a link."""
    kept = ("id", "approved_only", "created_at", "created_by", "expires_at", "revoked_at")
    return {name: value for name, value in asdict(share).items() if name in kept}
