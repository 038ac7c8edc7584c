"""Alarms for generated videos that are not in the bucket yet and whose URL expires soon."""

from __future__ import annotations

from collections.abc import Sequence
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


# The life lasts from the end of the generation to the expiry of the current URL: a fresh URL ends the alarm.
_RAISE: LiteralString = """
WITH late AS (
    SELECT j.id, l.percent
    FROM jobs j CROSS JOIN LATERAL (
        SELECT max(level) AS percent FROM unnest(%(levels)s::smallint[]) AS level
        WHERE now() >= j.generated_at + (j.video_expires_at - j.generated_at) * (level / 100.0)
    ) l
    WHERE j.state IN ('transferring', 'generating') AND j.generated_at IS NOT NULL AND j.object_key IS NULL
      AND j.expiry_alarm < l.percent
    ORDER BY j.video_expires_at LIMIT %(limit)s FOR UPDATE OF j SKIP LOCKED
), raised AS (
    UPDATE jobs j SET expiry_alarm = late.percent FROM late WHERE j.id = late.id
    RETURNING j.id, j.state, j.reason, j.account, late.percent,
              extract(epoch FROM j.video_expires_at - now())::float8 AS left_s
), logged AS (
    INSERT INTO job_events (job_id, source, target, reason, detail)
    SELECT id, state, state, %(reason)s,
           jsonb_build_object('percent', percent, 'left_s', round(left_s::numeric), 'because', reason)
    FROM raised
)
SELECT id, state, reason, account, percent, left_s FROM raised
"""


def raise_expiry_alarms(conn: Connection, levels: Sequence[int], limit: int) -> list[ExpiryAlarm]:
    """Raise an alarm, with an event, for jobs whose video has newly reached one of these percentages of its URL's life.

    Each level is raised once per job. If a video passed several levels at once, only the highest is raised.
    """
    with conn.cursor(row_factory=class_row(ExpiryAlarm)) as cursor:
        parameters = {"levels": list(levels), "limit": limit, "reason": Reason.VIDEO_EXPIRING}
        return cursor.execute(_RAISE, parameters).fetchall()
