"""What the page shows of any number of jobs: counts and rates read from indexes alone, and the few urgent jobs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from psycopg.rows import class_row

from storage.counted.campaigns import CURRENT_LABELS, ENDED_S
from storage.counted.ended import PIECE_S
from storage.database import Connection, reading_in_order
from storage.jobs import queries
from storage.jobs.claims import HOST
from storage.jobs.records import JobView
from storage.jobs.states import JobState
from storage.jobs.walks import FIRST, LAST, walk
from storage.reporting.job_counts import counts_of_campaigns, counts_of_tenant

SOON_S = 7200.0
"""A video whose URL expires within this time is urgent."""
FEW = 2_000
"""Ended jobs of a campaign from which its chart is drawn: 4 ms of PostgreSQL. Of more, kept sums are read."""

_HELD = walk("tenant", "%(tenant)s", "ASC")
# Each kind by its own index, whose first part is the host: only what is urgent is read, not all that waits.
_EXPIRING: LiteralString = f"""
WITH RECURSIVE hosts AS (
    (SELECT {HOST} AS host FROM jobs WHERE state = 'transferring' ORDER BY {HOST} LIMIT 1)
    UNION ALL
    SELECT n.host FROM hosts h CROSS JOIN LATERAL (
        SELECT {HOST} AS host FROM jobs WHERE state = 'transferring' AND {HOST} > h.host ORDER BY {HOST} LIMIT 1) n
)
SELECT id FROM (
    SELECT id, video_expires_at FROM jobs
    WHERE state = 'transferring' AND expiry_alarm > 0 AND tenant = %(tenant)s
    UNION
    SELECT s.id, s.video_expires_at FROM hosts h CROSS JOIN LATERAL (
        SELECT id, video_expires_at FROM jobs
        WHERE state = 'transferring' AND {HOST} = h.host AND tenant = %(tenant)s
          AND video_expires_at < now() + make_interval(secs => %(soon_s)s)
        ORDER BY video_expires_at LIMIT %(limit)s) s
) urgent ORDER BY video_expires_at LIMIT %(limit)s
"""  # noqa: S608 - put together from constants
_ENDING: LiteralString = """
SELECT count(*), coalesce(date_part('epoch', min(video_expires_at)) - date_part('epoch', now()), 0) FROM jobs
WHERE state = 'transferring' AND video_expires_at < now() + make_interval(secs => %(soon_s)s)
"""
_FINISHED: LiteralString = """
SELECT floor(extract(epoch FROM finished_at) / %(step_s)s)::bigint, state, count(*) FROM jobs
WHERE tenant = %(tenant)s AND finished_at >= to_timestamp(%(since)s) AND isfinite(finished_at) GROUP BY 1, 2
"""
# Kept, because many jobs may have ended in a day or a week.
_FINISHED_KEPT: LiteralString = """
SELECT floor(extract(epoch FROM ended) / %(step_s)s)::bigint, labels[1], sum(jobs)::bigint FROM ended_sums
WHERE tenant = %(tenant)s AND ended >= to_timestamp(%(since)s) GROUP BY 1, 2 HAVING sum(jobs) <> 0
"""
_CAMPAIGN_FINISHED: LiteralString = """
SELECT floor(extract(epoch FROM finished_at) / %(step_s)s)::bigint, state, count(*) FROM jobs
WHERE campaign_id = %(campaign)s AND state IN ('succeeded', 'failed', 'cancelled') AND isfinite(finished_at)
GROUP BY 1, 2
"""
# Kept, because a campaign may have very many jobs; in the pieces of now, however they were written.
_CAMPAIGN_KEPT: LiteralString = f"""
SELECT labels[2]::bigint * {ENDED_S}, coalesce(labels[3]::int, 1) * {ENDED_S}, labels[1], jobs FROM (
    SELECT {CURRENT_LABELS} AS labels, sum(jobs)::bigint AS jobs FROM campaign_sums
    WHERE campaign_id = %(campaign)s AND kind = 'ended' GROUP BY 1 HAVING sum(jobs) <> 0) k
"""  # noqa: S608 - put together from constants
_NOW: LiteralString = "SELECT extract(epoch FROM now())::float8"
_SPAN: LiteralString = """
SELECT extract(epoch FROM min(finished_at))::float8, extract(epoch FROM max(finished_at))::float8 FROM jobs
WHERE campaign_id = %(campaign)s AND state IN ('succeeded', 'failed', 'cancelled') AND isfinite(finished_at)
"""
_CAMPAIGNS: LiteralString = """
SELECT id, name, created_at, paused_at FROM campaigns
WHERE tenant = %(tenant)s AND (%(before)s::uuid IS NULL OR id < %(before)s) ORDER BY id DESC LIMIT %(limit)s
"""
_CAMPAIGN: LiteralString = """
SELECT id, name, created_at, paused_at FROM campaigns WHERE tenant = %(tenant)s AND name = %(name)s
"""


@dataclass(frozen=True, slots=True)
class CampaignRow:
    """A campaign, without its jobs; `paused_at` is None while it is not paused."""

    id: UUID
    name: str
    created_at: datetime
    paused_at: datetime | None


@dataclass(frozen=True, slots=True)
class _Kept:
    """Jobs that ended in a piece of time, which begins at `start` (seconds since 1970)."""

    start: int
    length_s: int
    state: str
    jobs: int


@dataclass(frozen=True, slots=True)
class Rate:
    """How many jobs ended in each of several equal pieces of time, by state. `start` is the start of the first piece,
    in seconds since 1970 by the database's clock; the last piece is not over yet."""

    start: float
    step_s: int
    pieces: Sequence[Mapping[str, int]] = field(default_factory=tuple)


def counts(conn: Connection, tenant: str) -> dict[JobState, int]:
    """How many jobs of a tenant are in each state; states without jobs are left out."""
    return {JobState(state): number for state, number in counts_of_tenant(conn, tenant).items()}


def campaign_counts(conn: Connection, ids: Sequence[UUID]) -> dict[UUID, dict[JobState, int]]:
    """The same for each campaign; campaigns without jobs are left out."""
    found = counts_of_campaigns(conn, ids)
    return {campaign: {JobState(state): number for state, number in of.items()} for campaign, of in found.items()}


def held(conn: Connection, tenant: str, limit: int) -> list[JobView]:
    """Unconfirmed jobs, oldest first."""
    parameters = {"tenant": tenant, "states": [JobState.UNCONFIRMED], "above": FIRST, "below": LAST, "limit": limit}
    with reading_in_order(conn):
        ids = [row[0] for row in conn.execute(_HELD, parameters)]
    return _views(conn, tenant, ids)


def expiring(conn: Connection, tenant: str, limit: int) -> list[JobView]:
    """Videos not yet copied that raised an alarm or expire soon, most urgent first."""
    rows = conn.execute(_EXPIRING, {"tenant": tenant, "soon_s": SOON_S, "limit": limit})
    return _views(conn, tenant, [row[0] for row in rows])


def ending_links(conn: Connection, soon_s: float) -> tuple[int, float]:
    """How many videos of all tenants are not copied yet and lose their link within `soon_s`, and the seconds until the
    first does (0 if there is none)."""
    row = conn.execute(_ENDING, {"soon_s": soon_s}).fetchone()
    return (0, 0.0) if row is None else (row[0], row[1])


def _views(conn: Connection, tenant: str, ids: Sequence[UUID]) -> list[JobView]:
    found = queries.get_jobs(conn, tenant, ids)
    return [found[job_id] for job_id in ids if job_id in found]


def finished_lately(conn: Connection, tenant: str, step_s: int, pieces: int) -> Rate:
    """The jobs that ended in the last `pieces` of time, `step_s` seconds each."""
    now = conn.execute(_NOW).fetchone()
    last = int((now[0] if now else 0.0) // step_s)
    first = last - pieces + 1
    parameters = {"tenant": tenant, "step_s": step_s, "since": float(first * step_s)}
    return _rate(conn, _FINISHED if step_s % PIECE_S else _FINISHED_KEPT, parameters, first, last)


def finished_in_campaign(conn: Connection, campaign: UUID, steps_s: Sequence[int], pieces: int) -> Rate | None:
    """The jobs of a campaign that ended, from the first end to the last, in pieces of the first of `steps_s` that needs
    no more than `pieces` of them; None while no job has ended.

    Of more than `FEW` jobs, ends before yesterday are only known by the hour, and older ones by the day.
    """
    kept = [_Kept(*row) for row in conn.execute(_CAMPAIGN_KEPT, {"campaign": campaign})]
    if not kept:
        return None
    begin, end = min(part.start for part in kept), max(part.start + part.length_s for part in kept) - 1
    longest_s = max(part.length_s for part in kept)
    coarse = [step for step in steps_s if step % longest_s == 0]
    is_short = any((end - begin) / step < pieces - 1 for step in steps_s if step < longest_s)
    if not coarse or sum(part.jobs for part in kept) <= FEW or (is_short and longest_s == ENDED_S):
        row = conn.execute(_SPAN, {"campaign": campaign}).fetchone()
        begin, end = (None, None) if row is None else row
        if begin is None or end is None:
            return None
        step_s, first, last = _columns(begin, end, steps_s, pieces)
        return _rate(conn, _CAMPAIGN_FINISHED, {"campaign": campaign, "step_s": step_s}, first, last)
    step_s, first, last = _columns(begin, end, coarse, pieces)
    return _filled(((int(part.start // step_s), part.state, part.jobs) for part in kept), step_s, first, last)


def _columns(begin: float, end: float, steps_s: Sequence[int], pieces: int) -> tuple[int, int, int]:
    """The step, the first column and the last."""
    step_s = next((step for step in steps_s if (end - begin) / step < pieces - 1), steps_s[-1])
    last = int(end // step_s)
    return step_s, max(int(begin // step_s), last - pieces + 1), last


def _rate(conn: Connection, sql: LiteralString, parameters: Mapping[str, object], first: int, last: int) -> Rate:
    return _filled(conn.execute(sql, parameters), int(str(parameters["step_s"])), first, last)


def _filled(ends: Iterable[tuple[int, str, int]], step_s: int, first: int, last: int) -> Rate:
    """`ends`: column, state and number."""
    found: list[dict[str, int]] = [{} for _ in range(first, last + 1)]
    for piece, state, number in ends:
        if first <= piece <= last:
            found[piece - first][state] = found[piece - first].get(state, 0) + number
    return Rate(float(first * step_s), step_s, found)


def campaigns(conn: Connection, tenant: str, *, before: UUID | None = None, limit: int) -> list[CampaignRow]:
    """Campaigns, newest first; `before` is the last one of the previous page."""
    with conn.cursor(row_factory=class_row(CampaignRow)) as cursor:
        return cursor.execute(_CAMPAIGNS, {"tenant": tenant, "before": before, "limit": limit}).fetchall()


def campaign(conn: Connection, tenant: str, name: str) -> CampaignRow | None:
    """The campaign with this name; None when there is none."""
    with conn.cursor(row_factory=class_row(CampaignRow)) as cursor:
        return cursor.execute(_CAMPAIGN, {"tenant": tenant, "name": name}).fetchone()
