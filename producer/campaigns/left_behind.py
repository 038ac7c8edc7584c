"""Rows of a campaign that still wait although the file that was run last does not have them any more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from producer.errors import CampaignNotFound
from storage.campaigns.completion import complete
from storage.campaigns.controls import find_campaign
from storage.campaigns.sheets import LeftBehind, left_behind
from storage.database import Database

MOST = 1_000


def left_behind_of(database: Database, tenant: str, name: str) -> list[LeftBehind]:
    """Such rows of a campaign, at most `MOST`. They were removed from the sheet, or edited without `--key`, and are
    generated and billed unless a person cancels them.

    Raises:
        CampaignNotFound: the tenant has no such campaign.
    """
    with database.begin() as conn:
        campaign = find_campaign(conn, tenant, name)
        if campaign is None:
            raise CampaignNotFound(name)
        complete(conn, campaign)
        return left_behind(conn, campaign, MOST)


def as_dicts(rows: Sequence[LeftBehind]) -> list[dict[str, Any]]:
    """The rows as JSON."""
    return [{"row": row.number, "key": row.key, "id": row.id, "job_id": row.job_id} for row in rows]
