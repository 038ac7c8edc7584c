"""Make partitions of the timelines ahead, and drop those that are kept no longer."""

from __future__ import annotations

import logging
from datetime import timedelta

from storage.database import DatabaseUnavailable
from storage.heartbeats import take_turn
from storage.jobs.events import partitions
from storage.jobs.events.partitions import Begin
from storage.settings import Settings

log = logging.getLogger("reelq.timelines")

NAME = "timelines"
EVERY_S = 100.0  # less than the scheduler's interval, or every second call would come a moment too early
DAY_S = 86400.0


def sweep_timelines(begin: Begin, settings: Settings) -> None:
    """Bring the partitions up to date; without the locks or the rights for it, leave the rest to the next sweep.

    Jobs lose nothing by that: events without a partition of their time go to the default one, and are deleted there.
    """
    with begin() as conn:
        if not take_turn(conn, NAME, EVERY_S):
            return
    try:
        make_ahead(begin, settings)
        drop_old(begin, settings)
    except DatabaseUnavailable as exc:
        log.warning("timelines.later error=%s", exc)


def make_ahead(begin: Begin, settings: Settings) -> int:
    """Make the partitions of the next days; returns their number."""
    days = partitions.length_days(min(_kept_days(settings), default=None))
    made = 0
    while True:
        with begin() as conn:
            following = partitions.next_partition(conn, days)
        if following is None:
            return made
        partitions.create(begin, following)
        made += 1
        log.info("timelines.made partition=%s until=%s", following.name, following.ends_at.isoformat())


def drop_old(begin: Begin, settings: Settings) -> int:
    """Drop the partitions whose jobs all ended long enough ago, or are deleted; returns their number."""
    kept = _kept_days(settings)
    if not kept:
        return 0
    with begin() as conn:
        row = conn.execute("SELECT now()").fetchone()
        found = partitions.partitions(conn)
    assert row is not None  # noqa: S101 - one row
    events = settings.keep_events_days
    dropped = 0
    for partition in found:
        if partition.ends_at > row[0] - timedelta(days=min(kept)):
            break
        if partitions.drop(begin, partition, None if events is None else events * DAY_S):
            dropped += 1
            log.info("timelines.dropped partition=%s", partition.name)
    return dropped


def _kept_days(settings: Settings) -> list[float]:
    return [days for days in (settings.keep_events_days, settings.keep_jobs_days) if days is not None]
