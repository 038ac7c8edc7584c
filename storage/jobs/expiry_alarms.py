"""Alarms for generated videos that are not in the bucket yet and whose URL expires soon."""

from __future__ import annotations

from dataclasses import dataclass
from typing import LiteralString
from uuid import UUID

from psycopg.rows import class_row

from storage.database import Connection
from storage.jobs.reasons import Reason


@dataclass(frozen=True, slots=True)
class ExpiryAlarm:
    """A level that a video reached: `percent` of its URL's life is over, `left_s` seconds remain (below 0: expired)."""

    id: UUID
    state: str
    reason: str | None
    account: str | None
    percent: int
    left_s: float


LEVELS = (50, 75, 90)
"""The shares of a URL's life, in percent, at which alarms are raised."""
NEXT_ALARM_AT: LiteralString = """((generated_at AT TIME ZONE 'UTC'::text) + (video_expires_at - generated_at) *
CASE
    WHEN expiry_alarm < 50 THEN 0.5::double precision
    WHEN expiry_alarm < 75 THEN 0.75::double precision
    ELSE 0.9::double precision
END)"""
"""When the first level above the last alarm is reached, in UTC: the index `jobs_alarms_idx` needs a value that depends
on no setting. Written as PostgreSQL prints it, which a test compares."""
OPEN_ALARM: LiteralString = """state IN ('transferring', 'generating') AND generated_at IS NOT NULL
    AND object_key IS NULL AND expiry_alarm < 90"""
"""A condition on a job: it may still get an alarm."""
# The life lasts from the end of the generation to the expiry of the current URL: a fresh URL ends the alarm.
_RAISE: LiteralString = f"""
WITH due AS (
    SELECT id, generated_at, video_expires_at FROM jobs
    WHERE {OPEN_ALARM} AND {NEXT_ALARM_AT} <= (now() AT TIME ZONE 'UTC')
    ORDER BY {NEXT_ALARM_AT} LIMIT %(limit)s FOR UPDATE SKIP LOCKED
), late AS (
    SELECT d.id, (SELECT max(level) FROM unnest(%(levels)s::smallint[]) AS level
                  WHERE now() >= d.generated_at + (d.video_expires_at - d.generated_at) * (level / 100.0)) AS percent
    FROM due d
), raised AS (
    UPDATE jobs j SET expiry_alarm = late.percent FROM late
    WHERE j.id = late.id AND late.percent > j.expiry_alarm
    RETURNING j.id, j.state, j.reason, j.account, late.percent,
              date_part('epoch', j.video_expires_at) - date_part('epoch', now()) AS left_s
), logged AS (
    INSERT INTO job_events (job_id, source, target, reason, detail)
    SELECT id, state, state, %(reason)s,
           jsonb_build_object('percent', percent, 'left_s', round(left_s::numeric), 'because', reason)
    FROM raised
)
SELECT id, state, reason, account, percent, left_s FROM raised
"""  # noqa: S608 - put together from constants


def raise_expiry_alarms(conn: Connection, limit: int) -> list[ExpiryAlarm]:
    """Raise an alarm, with an event, for jobs whose video has newly reached one of `LEVELS`; the longest late first.

    Each level is raised once per job. If a video passed several levels at once, only the highest is raised.
    """
    with conn.cursor(row_factory=class_row(ExpiryAlarm)) as cursor:
        parameters = {"levels": list(LEVELS), "limit": limit, "reason": Reason.VIDEO_EXPIRING}
        return cursor.execute(_RAISE, parameters).fetchall()
