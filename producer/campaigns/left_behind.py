"""Rows of a campaign that still wait although the file that was run last does not have them any more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from producer.campaigns.status import campaign_status
from storage.campaigns.sheets import LeftBehind, left_behind
from storage.database import Database

MOST = 1_000


def left_behind_of(database: Database, tenant: str, name: str) -> list[LeftBehind]:
    """Such rows of a campaign, at most `MOST`. They were removed from the sheet, or edited without `--key`, and are
    generated and billed unless a person cancels them."""
    with database.begin() as conn:
        return left_behind(conn, campaign_status(conn, tenant, name).id, MOST)


def as_dicts(rows: Sequence[LeftBehind]) -> list[dict[str, Any]]:
    """The rows as JSON."""
    return [{"row": row.number, "key": row.key, "id": row.id, "job_id": row.job_id} for row in rows]
