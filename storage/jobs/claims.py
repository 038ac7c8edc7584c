"""Leases: which jobs are due, and who works on them until when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, LiteralString, TypeVar, cast
from uuid import UUID

from psycopg.rows import class_row

from storage.admission.fair_share import claim_submits as claim_submits
from storage.database import Connection
from storage.jobs.states import JobState
from storage.leases import Claimed

T = TypeVar("T")


def _rows(kind: type[T], conn: Connection, sql: LiteralString, parameters: Mapping[str, Any]) -> list[T]:
    with conn.cursor(row_factory=class_row(kind)) as cursor:
        return cursor.execute(sql, parameters).fetchall()


_RENEW: LiteralString = """
UPDATE jobs j SET due_at = now() + make_interval(secs => %(lease_s)s)
FROM unnest(%(ids)s::uuid[], %(claims)s::bigint[]) AS i(id, claim)
WHERE j.id = i.id AND j.claim = i.claim AND j.due_at IS NOT NULL
RETURNING j.id
"""


def renew(conn: Connection, leases: Sequence[tuple[UUID, int]], lease_s: float) -> set[UUID]:
    """Extend leases; what is missing from the result is not ours any more."""
    if not leases:
        return set()
    parameters = {"ids": [i for i, _ in leases], "claims": [c for _, c in leases], "lease_s": lease_s}
    return {row[0] for row in conn.execute(_RENEW, parameters)}


_RELEASE: LiteralString = """
UPDATE jobs j SET due_at = now(), account = CASE WHEN j.state = 'queued' THEN NULL ELSE j.account END
FROM unnest(%(ids)s::uuid[], %(claims)s::bigint[]) AS i(id, claim)
WHERE j.id = i.id AND j.claim = i.claim AND j.due_at IS NOT NULL AND j.state <> 'submitting'
"""


def release(conn: Connection, claimed: Sequence[tuple[UUID, int]]) -> None:
    """Make claimed jobs due at once: nobody works on them after all."""
    if claimed:
        conn.execute(_RELEASE, {"ids": [i for i, _ in claimed], "claims": [c for _, c in claimed]})


# CTEs, not sub-selects: PostgreSQL may run a LIMITed sub-select again inside a nested loop and claim more than asked.
_CLAIM_POLLS: LiteralString = """
WITH due AS (
    SELECT id FROM jobs WHERE state = 'generating' AND due_at <= now()
      AND (%(account)s::text IS NULL OR account = %(account)s) AND account <> ALL(%(besides)s::text[])
    ORDER BY due_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
UPDATE jobs j SET claim = j.claim + 1, due_at = now() + make_interval(secs => %(lease_s)s)
FROM due WHERE j.id = due.id RETURNING j.id, j.claim, j.account
"""


_CLAIM_UNCONFIRMED: LiteralString = """
WITH due AS (
    SELECT id FROM jobs WHERE state = 'unconfirmed' AND due_at <= now()
    ORDER BY due_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
UPDATE jobs j SET claim = j.claim + 1, due_at = now() + make_interval(secs => %(lease_s)s)
FROM due WHERE j.id = due.id RETURNING j.id, j.claim, j.account
"""


_CLAIM_TRANSFERS: LiteralString = """
WITH due AS (
    SELECT id FROM jobs
    WHERE state = 'transferring' AND due_at <= now()
      AND (%(share)s::float8 IS NULL OR video_expires_at - now() < (video_expires_at - generated_at) * %(share)s)
    ORDER BY video_expires_at, due_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
), leased AS (
    UPDATE jobs j SET claim = j.claim + 1, due_at = now() + make_interval(secs => %(lease_s)s)
    FROM due WHERE j.id = due.id RETURNING j.id, j.claim, j.account, j.video_expires_at
)
SELECT id, claim, account FROM leased ORDER BY video_expires_at
"""


def claim_polls(
    conn: Connection, limit: int, lease_s: float, account: str | None = None, besides: Sequence[str] = ()
) -> list[Claimed]:
    """Lease generating jobs whose next poll is due, the longest overdue first; of one account, or of all `besides`
    some."""
    parameters = {"limit": limit, "lease_s": lease_s, "account": account, "besides": list(besides)}
    return _rows(Claimed, conn, _CLAIM_POLLS, parameters)


def claim_unconfirmed(conn: Connection, limit: int, lease_s: float) -> list[Claimed]:
    """Lease jobs whose POST may have been accepted, to look for their tasks."""
    return _rows(Claimed, conn, _CLAIM_UNCONFIRMED, {"limit": limit, "lease_s": lease_s})


def claim_transfers(conn: Connection, limit: int, lease_s: float, share: float | None = None) -> list[Claimed]:
    """Lease videos to copy, the one whose URL dies first in front.

    `share`: only those that have less than this share of their URL's life left; None: all.
    """
    return _rows(Claimed, conn, _CLAIM_TRANSFERS, {"limit": limit, "lease_s": lease_s, "share": share})


_DUE: LiteralString = """
SELECT id, claim FROM jobs WHERE state = %(state)s AND due_at <= now() ORDER BY due_at LIMIT %(limit)s
FOR UPDATE SKIP LOCKED
"""


_CANCEL_WANTED: LiteralString = """
SELECT id, claim FROM jobs WHERE state = 'queued' AND cancel_request IS NOT NULL AND due_at IS NOT NULL
LIMIT %(limit)s FOR UPDATE SKIP LOCKED
"""


_PAST_DEADLINE: LiteralString = """
SELECT id, claim FROM jobs
WHERE deadline_at <= now() AND due_at IS NOT NULL AND state = 'queued'
ORDER BY deadline_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
"""


def due(conn: Connection, state: JobState, limit: int) -> list[tuple[UUID, int]]:
    """Jobs (id, claim) of a state whose time has come; locked until the transaction ends."""
    return cast(list[tuple[UUID, int]], conn.execute(_DUE, {"state": state, "limit": limit}).fetchall())


def cancel_wanted(conn: Connection, limit: int) -> list[tuple[UUID, int]]:
    """Queued jobs (id, claim) that somebody wanted cancelled while they were being submitted; locked as `due`."""
    return cast(list[tuple[UUID, int]], conn.execute(_CANCEL_WANTED, {"limit": limit}).fetchall())


def past_deadline(conn: Connection, limit: int) -> list[tuple[UUID, int]]:
    """Queued jobs (id, claim) whose deadline has passed; locked until the transaction ends."""
    return cast(list[tuple[UUID, int]], conn.execute(_PAST_DEADLINE, {"limit": limit}).fetchall())
