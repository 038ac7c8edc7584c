"""Which accounts may be given jobs, and how many slots each has in use. `fair_share` deals them out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import LiteralString

from psycopg.rows import class_row, dict_row

from storage.admission.circuit_breaker import ONE_AT_A_TIME
from storage.admission.fair_share import claim_submits as claim_submits
from storage.admission.slot_limits import SlotLimit, probes
from storage.database import Connection

PROBES_AWAY = 4
LATELY_S = 60.0

_ENSURE: LiteralString = """
INSERT INTO account_states (name, max_in_flight)
SELECT i.name, i.most FROM unnest(%(names)s::text[], %(limits)s::int[]) AS i(name, most)
LEFT JOIN account_states s ON s.name = i.name WHERE s.max_in_flight IS DISTINCT FROM i.most
ORDER BY i.name
ON CONFLICT (name) DO UPDATE SET max_in_flight = excluded.max_in_flight
"""
_LOCK: LiteralString = """
SELECT name, suspended_until IS NOT NULL AS suspended,
       outage AND coalesce(error ->> 'code' <> ALL(%(one_at_a_time)s), false) AS away, throttles,
       slot_limit, slot_step, slot_wait_s,
       coalesce(greatest(suspended_until, throttled_until) > now() - make_interval(secs => %(lately_s)s), false)
           AS refused_lately,
       coalesce(extract(epoch FROM now() - slot_limit_at), 0)::float8 AS unchanged_s
FROM account_states
WHERE name = ANY(%(names)s) AND coalesce(suspended_until <= now(), true) AND coalesce(throttled_until <= now(), true)
ORDER BY name FOR UPDATE SKIP LOCKED
"""
# Those that generate are by far the most, and an index alone tells their number: the account and the state, and nothing
# else of the row. What must be looked at row by row is what has just been claimed, is being submitted or is in doubt.
_USAGE: LiteralString = """
SELECT account, sum(in_flight)::bigint AS in_flight, sum(claimed)::bigint AS claimed, sum(starting)::bigint AS starting,
       sum(generating)::bigint AS generating
FROM (
    SELECT account, count(*) AS in_flight, 0 AS claimed, 0 AS starting, count(*) AS generating
    FROM jobs
    WHERE account = ANY(%(names)s) AND state = 'generating'
      AND account IS NOT NULL AND due_at IS NOT NULL AND state <> 'transferring'
    GROUP BY account
    UNION ALL
    SELECT account, count(*), count(*) FILTER (WHERE state = 'queued'), count(*) FILTER (WHERE state <> 'unconfirmed'),
           0
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
    suspended: bool = False
    """Its rest is over, and no job has been accepted since."""
    away: bool = False
    """It rested because its gateway was away, and said so clearly: a refused POST proves that nothing was begun."""
    throttles: int = 0
    """How often it said "too many", with nothing accepted since."""
    limit: SlotLimit = field(default_factory=SlotLimit)
    unchanged_s: float = 0.0
    """How long the limit has been what it is."""
    refused_lately: bool = False
    """Whether it rested or paused in the last minute."""

    def probes(self, configured: int) -> int | None:
        """So many jobs at a time are tried, None for as many as there are slots. Where a failure costs nothing it is
        more than one: there may be jobs that fail by their own fault, and those that fail at first."""
        if self.suspended:
            return PROBES_AWAY if self.away else 1
        if self.throttles:
            return probes(self.throttles, self.limit.allowed(configured))
        return None


@dataclass(frozen=True, slots=True)
class Usage:
    """Jobs that hold a slot; of these `starting` are not accepted yet, `claimed` have not begun their POST, and
    `generating` are known to be accepted and not known to have ended."""

    account: str
    in_flight: int = 0
    claimed: int = 0
    starting: int = 0
    generating: int = 0


def lock_accounts(conn: Connection, limits: Mapping[str, int]) -> dict[str, LockedAccount]:
    """Lock the accounts that are neither suspended nor throttled, and that no other scheduler holds at this moment.

    `limits` are the configured `max_in_flight`. What is counted after this call stays true until the transaction ends.
    """
    names = list(limits)
    conn.execute(_ENSURE, {"names": names, "limits": list(limits.values())})
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            _LOCK, {"names": names, "one_at_a_time": list(ONE_AT_A_TIME), "lately_s": LATELY_S}
        ).fetchall()
    return {
        row["name"]: LockedAccount(
            row["name"],
            row["suspended"],
            row["away"],
            row["throttles"],
            SlotLimit(row["slot_limit"], row["slot_step"], row["slot_wait_s"]),
            row["unchanged_s"],
            row["refused_lately"],
        )
        for row in rows
    }


def slots_in_use(conn: Connection, names: Sequence[str], grace_s: float) -> dict[str, Usage]:
    """Slots in use, counted from the rows; an unconfirmed job holds one for the grace. Unused accounts are missing."""
    with conn.cursor(row_factory=class_row(Usage)) as cursor:
        return {row.account: row for row in cursor.execute(_USAGE, {"names": list(names), "grace_s": grace_s})}


_IN_FLIGHT: LiteralString = """
SELECT account, count(*) FROM jobs
WHERE account IS NOT NULL AND due_at IS NOT NULL AND state <> 'transferring'
  AND (state <> 'queued' OR due_at > now())
  AND (state <> 'unconfirmed' OR updated_at > now() - make_interval(secs => %(grace_s)s))
GROUP BY account
"""


_STARTED: LiteralString = """
SELECT account, count(*) FROM attempts WHERE started_at > now() - interval '60 s' GROUP BY account
"""


def in_flight(conn: Connection, grace_s: float) -> dict[str, int]:
    """Slots in use per account: claimed, being submitted, generating, and unconfirmed for less than the grace."""
    return dict(conn.execute(_IN_FLIGHT, {"grace_s": grace_s}).fetchall())


def started_last_minute(conn: Connection) -> dict[str, int]:
    """POSTs begun per account in the last 60 s."""
    return dict(conn.execute(_STARTED).fetchall())
