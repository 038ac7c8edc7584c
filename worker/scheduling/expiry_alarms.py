"""Raise an alarm while a generated video can still be saved: at 50, 75 and 90 % of its URL's life."""

from __future__ import annotations

import logging

from storage.database import Connection
from storage.jobs.expiry_alarms import raise_expiry_alarms
from storage.logs.context import about
from storage.logs.story import stories_of
from storage.settings import Settings

log = logging.getLogger("reelq.alarms")

SERIOUS = 90
EVERY_S = 5.0
BATCH = 500


def expiring_videos(conn: Connection, settings: Settings) -> int:
    """Raise the alarms that are due; returns their number."""
    alarms = raise_expiry_alarms(conn, BATCH)
    known = stories_of(conn, [alarm.id for alarm in alarms])
    for alarm in alarms:
        log.log(
            logging.ERROR if alarm.percent >= SERIOUS else logging.WARNING,
            "video.expiring job_id=%s percent=%d left_s=%.0f account=%s state=%s because=%s",
            alarm.id,
            alarm.percent,
            alarm.left_s,
            alarm.account,
            alarm.state,
            alarm.reason,
            extra=about(known[alarm.id]),
        )
    return len(alarms)
