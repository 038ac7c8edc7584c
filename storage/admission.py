"""The SQL of admission: which accounts may be given jobs, and what each has in use. `storage.turns` deals the slots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import LiteralString

from psycopg.rows import class_row, dict_row

from storage.database import Connection

_ENSURE: LiteralString = """
INSERT INTO account_states (name, max_in_flight)
SELECT i.name, i.most FROM unnest(%(names)s::text[], %(limits)s::int[]) AS i(name, most)
LEFT JOIN account_states s ON s.name = i.name WHERE s.max_in_flight IS DISTINCT FROM i.most
ORDER BY i.name
ON CONFLICT (name) DO UPDATE SET max_in_flight = excluded.max_in_flight
"""
_LOCK: LiteralString = """
SELECT name, suspended_until, slot_limit,
       slot_limit_at < now() - make_interval(secs => %(quiet_s)s) AS quiet
FROM account_states
WHERE name = ANY(%(names)s) AND coalesce(suspended_until <= now(), true) AND coalesce(throttled_until <= now(), true)
ORDER BY name FOR UPDATE SKIP LOCKED
"""
# Those that generate are by far the most, and an index alone tells their number: the account and the state, and nothing
# else of the row. What must be looked at row by row is what has just been claimed, is being submitted or is in doubt.
_USAGE: LiteralString = """
SELECT account, sum(in_flight)::bigint AS in_flight, sum(claimed)::bigint AS claimed, sum(starting)::bigint AS starting
FROM (
    SELECT account, count(*) AS in_flight, 0 AS claimed, 0 AS starting
    FROM jobs
    WHERE account = ANY(%(names)s) AND state = 'generating'
      AND account IS NOT NULL AND due_at IS NOT NULL AND state <> 'transferring'
    GROUP BY account
    UNION ALL
    SELECT account, count(*), count(*) FILTER (WHERE state = 'queued'), count(*) FILTER (WHERE state <> 'unconfirmed')
    FROM jobs
    WHERE account = ANY(%(names)s) AND state IN ('queued', 'submitting', 'unconfirmed')
      AND account IS NOT NULL AND due_at IS NOT NULL AND state <> 'transferring'
      AND (state <> 'queued' OR due_at > now())
      AND (state <> 'unconfirmed' OR updated_at > now() - make_interval(secs => %(grace_s)s))
    GROUP BY account
) parts
GROUP BY account
"""


@dataclass(frozen=True, slots=True)
class LockedAccount:
    """An account that may be given jobs; nobody else gives it any until the transaction ends."""

    name: str
    probing: bool
    """Its suspension is over, and no job has been accepted since."""
    slot_limit: int | None
    """What "too many" has made of its limit, None when it is as configured."""
    quiet: bool
    """The limit has not changed for a while."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Jobs that hold a slot; of these `starting` are not accepted yet, and `claimed` have not begun their POST."""

    account: str
    in_flight: int = 0
    claimed: int = 0
    starting: int = 0


def lock_accounts(conn: Connection, limits: Mapping[str, int], quiet_s: float) -> dict[str, LockedAccount]:
    """Lock the accounts that are neither suspended nor throttled, and that no other scheduler holds at this moment.

    `limits` are the configured `max_in_flight`. What is counted after this call stays true until the transaction ends.
    """
    names = list(limits)
    conn.execute(_ENSURE, {"names": names, "limits": list(limits.values())})
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_LOCK, {"names": names, "quiet_s": quiet_s}).fetchall()
    return {
        row["name"]: LockedAccount(
            row["name"], row["suspended_until"] is not None, row["slot_limit"], bool(row["quiet"])
        )
        for row in rows
    }


def usage(conn: Connection, names: Sequence[str], grace_s: float) -> dict[str, Usage]:
    """Slots in use, counted from the rows; an unconfirmed job holds one for the grace. Unused accounts are missing."""
    with conn.cursor(row_factory=class_row(Usage)) as cursor:
        return {row.account: row for row in cursor.execute(_USAGE, {"names": list(names), "grace_s": grace_s})}
