"""SQL for copies that every browser plays: want one, lease it, and record the result.

A row of `playable_copies` says that a copy is wanted; it goes when the copy is stored, whose key is then in the job's
row. So a demand survives every kill, and a lost message costs one lease.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString
from uuid import UUID

from psycopg.rows import class_row

from storage.database import Connection
from storage.jsonb import dumps
from storage.leases import Claimed
from storage.logs.story import Story, story


def is_playable(video_format: Mapping[str, Any] | None) -> bool:
    """Whether every browser plays a video of this format as it is. False: not, or its format is not known."""
    return video_format is not None and bool(video_format.get("playable"))


# `again` starts over what was given up; a copy that is waiting or being made stays as it is.
_WANT: LiteralString = """
INSERT INTO playable_copies (job_id)
SELECT id FROM jobs WHERE id = ANY(%(ids)s) AND state = 'succeeded' AND deleted_at IS NULL AND playable_key IS NULL
ON CONFLICT (job_id) DO UPDATE SET due_at = now(), tries = 0, error = NULL
WHERE %(again)s AND playable_copies.due_at IS NULL
"""


def want_copies(conn: Connection, ids: Sequence[UUID], *, again: bool = False) -> None:
    """Want copies of these jobs' videos, unless they have one, or have no video. `again`: also of those whose copy was
    given up."""
    if ids:
        conn.execute(_WANT, {"ids": list(ids), "again": again})


@dataclass(frozen=True, slots=True)
class Demand:
    """A wanted copy that is not stored. `error`: why it was given up; None: it waits, or is being made."""

    error: str | None


def demand_of(conn: Connection, job_id: UUID) -> Demand | None:
    """The demand for a copy of a job's video; None: no copy is wanted, or it is stored."""
    row = conn.execute("SELECT error FROM playable_copies WHERE job_id = %s", [job_id]).fetchone()
    return None if row is None else Demand(row[0])


# Tenants take turns: of each the oldest first, and the one with the fewest under way comes first. All due
# demands are read, but only when there is room for one.
_CLAIM: LiteralString = """
WITH making AS MATERIALIZED (
    SELECT j.tenant FROM playable_copies p JOIN jobs j ON j.id = p.job_id WHERE p.leased AND p.due_at > now()
), chosen AS MATERIALIZED (
    SELECT p.job_id, p.due_at, (SELECT count(*) FROM making m WHERE m.tenant = j.tenant)
           + row_number() OVER (PARTITION BY j.tenant ORDER BY p.due_at) AS turn
    FROM playable_copies p JOIN jobs j ON j.id = p.job_id
    WHERE p.due_at <= now() AND (SELECT count(*) FROM making) < %(at_once)s
    ORDER BY turn, p.due_at LIMIT greatest(%(at_once)s - (SELECT count(*) FROM making), 0)
), due AS MATERIALIZED (
    SELECT p.job_id FROM playable_copies p JOIN chosen c ON c.job_id = p.job_id WHERE p.due_at <= now()
    FOR UPDATE OF p SKIP LOCKED
)
UPDATE playable_copies p SET leased = true, claim = p.claim + 1, due_at = now() + make_interval(secs => %(lease_s)s)
FROM due WHERE p.job_id = due.job_id RETURNING p.job_id AS id, p.claim, 'playable' AS account
"""


def claim_copies(conn: Connection, at_once: int, lease_s: float) -> list[Claimed]:
    """Lease due copies, so that no more than `at_once` are being made in the whole system; tenants take turns."""
    with conn.cursor(row_factory=class_row(Claimed)) as cursor:
        return cursor.execute(_CLAIM, {"at_once": at_once, "lease_s": lease_s}).fetchall()


@dataclass(frozen=True, slots=True)
class WantedCopy:
    """A leased demand, with the video and what its file is named after. `video_format` None: an older release stored
    the video."""

    job_id: UUID
    claim: int
    tries: int
    object_key: str
    size_bytes: int
    video_format: dict[str, Any] | None
    campaign: str | None
    idempotency_key: str | None
    prompt: str
    tenant: str
    account: str | None
    gateway_task_id: str | None
    attempt: int

    @property
    def story(self) -> Story:
        """The fields of its job in a log."""
        return story(self.job_id, self.tenant, self.campaign, self.account, self.gateway_task_id, self.attempt)


_LOAD: LiteralString = """
SELECT p.job_id, p.claim, p.tries, j.object_key, j.size_bytes, j.video_format, c.name AS campaign, j.idempotency_key,
       coalesce(j.request ->> 'prompt', '') AS prompt,
       j.tenant, j.account, j.gateway_task_id, j.attempt
FROM playable_copies p JOIN jobs j ON j.id = p.job_id LEFT JOIN campaigns c ON c.id = j.campaign_id
WHERE p.job_id = %(id)s AND p.claim = %(claim)s AND p.leased AND p.due_at > now()
  AND j.state = 'succeeded' AND j.deleted_at IS NULL
"""
_DROP: LiteralString = "DELETE FROM playable_copies WHERE job_id = %(id)s AND claim = %(claim)s AND leased"


def load_copy(conn: Connection, job_id: UUID, claim: int) -> WantedCopy | None:
    """A demand whose lease still holds; None: it does not, or the video is no longer there, and nothing is wanted."""
    lease = {"id": job_id, "claim": claim}
    with conn.cursor(row_factory=class_row(WantedCopy)) as cursor:
        found = cursor.execute(_LOAD, lease).fetchone()
    if found is None:
        conn.execute(_DROP + " AND NOT EXISTS (SELECT FROM jobs j WHERE j.id = job_id AND j.deleted_at IS NULL)", lease)
    return found


_RENEW: LiteralString = """
UPDATE playable_copies SET due_at = now() + make_interval(secs => %(lease_s)s)
WHERE job_id = %(id)s AND claim = %(claim)s AND leased
"""


def renew_copy(conn: Connection, job_id: UUID, claim: int, lease_s: float) -> bool:
    """Renew a lease; False: it has passed to another worker, or nothing is wanted any more."""
    return conn.execute(_RENEW, {"id": job_id, "claim": claim, "lease_s": lease_s}).rowcount > 0


_RELEASE: LiteralString = """
UPDATE playable_copies p SET leased = false, due_at = now() + make_interval(secs => %(wait_s)s),
                             tries = p.tries + %(tried)s::int
FROM unnest(%(ids)s::uuid[], %(claims)s::bigint[]) AS i(id, claim)
WHERE p.job_id = i.id AND p.claim = i.claim AND p.leased
"""


def release_copies(
    conn: Connection, claimed: Sequence[tuple[UUID, int]], wait_s: float = 0.0, *, tried: bool = False
) -> None:
    """Return leased demands; they are due in `wait_s` seconds. `tried`: count a try."""
    if claimed:
        parameters = {"ids": [i for i, _ in claimed], "claims": [c for _, c in claimed]}
        conn.execute(_RELEASE, parameters | {"wait_s": wait_s, "tried": tried})


_GIVE_UP: LiteralString = """
UPDATE playable_copies SET leased = false, due_at = NULL, tries = tries + 1, error = %(error)s
WHERE job_id = %(id)s AND claim = %(claim)s AND leased
"""


def give_up_copy(conn: Connection, job_id: UUID, claim: int, error: str) -> None:
    """Give up a copy. `error`: a text for people."""
    conn.execute(_GIVE_UP, {"id": job_id, "claim": claim, "error": error})


_FINISH: LiteralString = """
WITH done AS (DELETE FROM playable_copies WHERE job_id = %(id)s AND claim = %(claim)s AND leased RETURNING job_id)
UPDATE jobs j SET playable_key = %(key)s, video_format = coalesce(%(format)s::jsonb, j.video_format), updated_at = now()
FROM done WHERE j.id = done.job_id AND j.deleted_at IS NULL
"""


def finish_copy(
    conn: Connection, job_id: UUID, claim: int, *, key: str | None, video_format: Mapping[str, Any] | None
) -> bool:
    """Record a stored copy; `key` None: the original needs none. `video_format`: what was learned of the original.
    False: the lease has passed to another worker, or the job's files were deleted, and a stored copy must go."""
    given = None if video_format is None else dumps(video_format)
    return conn.execute(_FINISH, {"id": job_id, "claim": claim, "key": key, "format": given}).rowcount > 0
