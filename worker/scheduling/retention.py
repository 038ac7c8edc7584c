"""Delete jobs and events that ended longer ago than the settings keep them, a few at a time."""

from __future__ import annotations

import logging

from storage.database import Connection
from storage.jobs.deletion.retention import forget_events, forget_jobs
from storage.settings import Settings

log = logging.getLogger("reelq.retention")

DAY_S = 86400.0
EVERY_S = 5.0
# In one round of the scheduler, with about six rows for each job: some 5 ms. As long as batches are full, the next one
# follows in the next round, so this is 400 jobs a second, 34 million a day.
EVENTS, JOBS = 500, 100


def what_is_long_over(conn: Connection, settings: Settings) -> int:
    """Delete jobs, and events of jobs, that ended longer ago than they are kept; returns their number."""
    events = jobs = 0
    if settings.keep_jobs_days is not None:
        jobs = forget_jobs(conn, settings.keep_jobs_days * DAY_S, JOBS)
    if settings.keep_events_days is not None:
        events = forget_events(conn, settings.keep_events_days * DAY_S, EVENTS)
    if jobs or events:
        log.info("retention.forgotten jobs=%d events=%d", jobs, events)
    return jobs + events
