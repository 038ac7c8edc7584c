"""Notices about drafts that expire soon and wait for a decision."""

from __future__ import annotations

import logging

from storage.campaigns.expiring_drafts import announce_expiring_drafts
from storage.database import Connection
from storage.settings import Settings

log = logging.getLogger("reelq.campaigns")

EVERY_S = 60.0
_AT_ONCE = 100


def expiring_drafts(conn: Connection, settings: Settings) -> int:
    """Announce drafts that end within a day and wait for a decision."""
    found = announce_expiring_drafts(conn, _AT_ONCE, mail=settings.smtp_url is not None)
    for item in found:
        log.warning(
            "campaign.drafts_expiring campaign_id=%s drafts=%d first_ends_at=%s",
            *(item.campaign_id, item.rows, item.ends_at.isoformat(timespec="seconds")),
        )
    return len(found)
