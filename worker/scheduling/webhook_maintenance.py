"""The scheduler's maintenance tasks for webhooks; they need only the database."""

from __future__ import annotations

import logging

from storage.campaigns.ends import end_campaigns
from storage.campaigns.notices import announce
from storage.database import Connection
from storage.settings import Settings
from storage.webhooks.delivery import sweep_messages
from storage.webhooks.receivers import sweep_receivers

log = logging.getLogger("reelq.webhooks")

CAMPAIGNS_EVERY_S = 2.0
NOTICES_EVERY_S = 5.0
CAMPAIGNS = 100
SWEEP_EVERY_S = 5.0
SWEEP = 200
"""Of each kind in one round of the scheduler. As long as batches are full, the next one follows in the next round: 69
million delivered messages a day."""
DELIVERED_DAYS, DEAD_DAYS = 7, 30


def finished_campaigns(conn: Connection, settings: Settings) -> int:
    """Queue the webhook messages of campaigns whose jobs have all ended; returns the number of campaigns."""
    ended = end_campaigns(conn, CAMPAIGNS, mail=settings.smtp_url is not None)
    for item in ended:
        counts = " ".join(f"{state}={number}" for state, number in sorted(item.counts.items()))
        log.info("campaign.finished campaign_id=%s %s", item.id, counts)
    return len(ended)


def campaign_notices(conn: Connection, settings: Settings) -> int:
    """Queue the messages of campaigns that people should look at; returns the number of events."""
    found = announce(conn, CAMPAIGNS, mail=settings.smtp_url is not None)
    for item in found:
        log.info("%s campaign_id=%s", item.event, item.campaign_id)
    return len(found)


def old_messages(conn: Connection, settings: Settings) -> int:
    """Delete messages that were delivered, or given up, long ago, and forget receivers that are not used any more;
    returns the number of messages."""
    sweep_receivers(conn)
    return sweep_messages(conn, DELIVERED_DAYS, DEAD_DAYS, SWEEP)
