"""Count the slots in use of each account and each of its models. No other query counts them.

The rows of `jobs` are the count. Those that are generating, which are most, are counted when they change, by triggers
in the transaction of the change (`storage.counted.slots`): so a sum of `slot_counts` is exact in every snapshot,
whatever program wrote the rows. A session that writes with triggers switched off is the exception:
`storage.reporting.recounts` corrects what it did.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import LiteralString

from psycopg.rows import class_row

from storage.database import Connection

UNCONFIRMED_SLOT_S = 120.0
"""How long an unconfirmed job takes a slot. Not for the whole grace period: a burst of lost answers would stop the
account, and if those tasks do run, the gateway answers "too many" anyway."""

# `state <> 'transferring'` repeats the index's own predicate, without which PostgreSQL does not use the index.
_IN_USE: LiteralString = """
SELECT account, lane, sum(in_flight)::bigint AS in_flight, sum(claimed)::bigint AS claimed,
       sum(starting)::bigint AS starting, sum(generating)::bigint AS generating
FROM (
    SELECT account, lane, sum(jobs) AS in_flight, 0 AS claimed, 0 AS starting, sum(jobs) AS generating
    FROM slot_counts WHERE %(names)s::text[] IS NULL OR account = ANY(%(names)s::text[])
    GROUP BY account, lane
    UNION ALL
    SELECT account, lane, count(*), count(*) FILTER (WHERE state = 'queued'),
           count(*) FILTER (WHERE state <> 'unconfirmed'), 0
    FROM jobs
    WHERE (%(names)s::text[] IS NULL OR account = ANY(%(names)s::text[]))
      AND state IN ('queued', 'submitting', 'unconfirmed')
      AND account IS NOT NULL AND due_at IS NOT NULL AND state <> 'transferring'
      AND (state <> 'queued' OR due_at > now())
      AND (state <> 'unconfirmed' OR updated_at > now() - make_interval(secs => %(young_s)s))
    GROUP BY account, lane
) parts
GROUP BY account, lane HAVING sum(in_flight) <> 0
"""
# Account by account: the index begins with the account, and PostgreSQL before 18 skips no first column.
_STARTED: LiteralString = """
SELECT n.name, a.number FROM unnest(%(names)s::text[]) AS n(name) CROSS JOIN LATERAL (
    SELECT count(*) AS number FROM attempts
    WHERE account = n.name AND started_at > now() - interval '60 s') a
WHERE a.number > 0
"""

_STARTED_OF: LiteralString = """
SELECT n.name, a.model_key, a.number FROM unnest(%(names)s::text[]) AS n(name) CROSS JOIN LATERAL (
    SELECT model_key, count(*) AS number FROM attempts
    WHERE account = n.name AND started_at > now() - interval '60 s' AND model_key = ANY(%(models)s::text[])
    GROUP BY model_key) a
"""


@dataclass(frozen=True, slots=True)
class Usage:
    """Jobs that hold a slot. Of these, `starting` are not accepted yet, `claimed` have not begun their POST, and
    `generating` are accepted and not known to have ended."""

    in_flight: int = 0
    claimed: int = 0
    starting: int = 0
    generating: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.in_flight + other.in_flight,
            self.claimed + other.claimed,
            self.starting + other.starting,
            self.generating + other.generating,
        )


@dataclass(frozen=True, slots=True)
class _Row:
    account: str
    lane: str
    in_flight: int
    claimed: int
    starting: int
    generating: int


def slots_in_use(conn: Connection, grace_s: float, names: Sequence[str] | None = None) -> dict[str, dict[str, Usage]]:
    """Slots in use by account and lane; names None: of all accounts. Accounts and lanes that use none are missing.

    `grace_s` is how long to look for a POST without an answer; see `UNCONFIRMED_SLOT_S`.
    """
    parameters = {
        "names": None if names is None else list(names),
        "young_s": min(grace_s, UNCONFIRMED_SLOT_S),
    }
    in_use: dict[str, dict[str, Usage]] = {}
    with conn.cursor(row_factory=class_row(_Row)) as cursor:
        for row in cursor.execute(_IN_USE, parameters):
            usage = Usage(row.in_flight, row.claimed, row.starting, row.generating)
            in_use.setdefault(row.account, {})[row.lane] = usage
    return in_use


def total(by_lane: dict[str, Usage]) -> Usage:
    """The usage of all lanes together."""
    return sum(by_lane.values(), Usage())


def started_last_minute(conn: Connection, names: Collection[str]) -> dict[str, int]:
    """POSTs begun by each of these accounts in the last 60 s; those without any are missing."""
    return dict(conn.execute(_STARTED, {"names": list(names)}).fetchall()) if names else {}


def started_last_minute_of(
    conn: Connection, names: Collection[str], models: Collection[str]
) -> dict[tuple[str, str], int]:
    """POSTs begun by each of these accounts in the last 60 s, for each of these models."""
    if not names or not models:
        return {}
    rows = conn.execute(_STARTED_OF, {"names": list(names), "models": list(models)}).fetchall()
    return {(account, model): count for account, model, count in rows}
