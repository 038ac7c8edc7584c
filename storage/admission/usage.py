"""Count the slots in use of each account and each of its models. No other query counts them.

The rows of `jobs` are the count. Those that are generating, which are most, are counted when they change, by triggers
in the transaction of the change (`storage.counted.slots`): so a sum of `slot_counts` is exact in every snapshot,
whatever program wrote the rows. A session that writes with triggers switched off is the exception:
`storage.reporting.recounts` corrects what it did.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import LiteralString

from storage.database import Connection
from storage.jobs.claims import ACCOUNTS

UNCONFIRMED_SLOT_S = 120.0
"""How long an unconfirmed job takes a slot. Not for the whole grace period: a burst of lost answers would stop the
account, and if those tasks do run, the gateway answers "too many" anyway."""

# Claimed jobs and those that are being submitted are neighbours in the index of jobs at accounts, from the leases that
# have not ended on; whole rows are compared, so that PostgreSQL takes that index in its order. Before them lie jobs
# that are due again, and dead entries. Doubts are read from the youngest on, in the order of an index that has them
# alone: after an outage or a restore very many old ones wait for people.
_IN_USE: LiteralString = f"""
SELECT account, lane, sum(in_flight)::bigint AS in_flight, sum(claimed)::bigint AS claimed,
       sum(starting)::bigint AS starting, sum(generating)::bigint AS generating
FROM (
    SELECT account, lane, sum(jobs) AS in_flight, 0 AS claimed, 0 AS starting, sum(jobs) AS generating
    FROM slot_counts WHERE %(names)s::text[] IS NULL OR account = ANY(%(names)s::text[])
    GROUP BY account, lane
    UNION ALL
    SELECT n.account, s.lane, count(*), count(*) FILTER (WHERE s.state = 'queued'), count(*), 0
    FROM unnest(coalesce(%(names)s::text[], ARRAY(SELECT account FROM {ACCOUNTS} a))) AS n(account)
    CROSS JOIN LATERAL (
        SELECT lane, state FROM jobs
        WHERE account IS NOT NULL AND due_at IS NOT NULL AND state <> 'transferring'
          AND (account, state, due_at) > (n.account, 'queued', now())
          AND (account, state, due_at) <= (n.account, 'submitting', 'infinity'::timestamptz)
        ORDER BY account, state, due_at OFFSET 0) s
    GROUP BY n.account, s.lane
    UNION ALL
    SELECT account, lane, count(*), 0, 0, 0 FROM (
        SELECT account, lane FROM jobs
        WHERE state = 'unconfirmed' AND updated_at > now() - make_interval(secs => %(young_s)s)
        ORDER BY updated_at DESC OFFSET 0) young
    WHERE %(names)s::text[] IS NULL OR account = ANY(%(names)s::text[])
    GROUP BY account, lane
) parts
GROUP BY account, lane HAVING sum(in_flight) <> 0
"""  # noqa: S608 - put together from constants
# Account by account: the index begins with the account, and PostgreSQL before 18 skips no first column.
_STARTED: LiteralString = """
SELECT n.name, a.number FROM unnest(%(paced)s::text[]) AS n(name) CROSS JOIN LATERAL (
    SELECT count(*) AS number FROM attempts
    WHERE account = n.name AND started_at > now() - interval '60 s') a
WHERE a.number > 0
"""

_STARTED_OF: LiteralString = """
SELECT n.name, a.model_key, a.number FROM unnest(%(apart)s::text[]) AS n(name) CROSS JOIN LATERAL (
    SELECT model_key, count(*) AS number FROM attempts
    WHERE account = n.name AND started_at > now() - interval '60 s' AND model_key = ANY(%(models)s::text[])
    GROUP BY model_key) a
"""


# In one statement: each costs the scheduler a round trip in each round.
_ALL: LiteralString = f"""
SELECT 'slots', account, lane, in_flight, claimed, starting, generating FROM ({_IN_USE}) used
UNION ALL SELECT 'started', name, '', number, 0, 0, 0 FROM ({_STARTED}) started
UNION ALL SELECT 'started of', name, model_key, number, 0, 0, 0 FROM ({_STARTED_OF}) started_of
"""  # noqa: S608 - put together from constants


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


def slots_in_use(conn: Connection, grace_s: float, names: Sequence[str] | None = None) -> dict[str, dict[str, Usage]]:
    """Slots in use by account and lane; names None: of all accounts. Accounts and lanes that use none are missing.

    `grace_s` is how long to look for a POST without an answer; see `UNCONFIRMED_SLOT_S`.
    """
    found: dict[str, dict[str, Usage]] = {}
    for account, lane, *numbers in conn.execute(_IN_USE, _parameters(grace_s, names)):
        found.setdefault(account, {})[lane] = Usage(*numbers)
    return found


def total(by_lane: Mapping[str, Usage]) -> Usage:
    """The usage of all lanes together."""
    return sum(by_lane.values(), Usage())


@dataclass(frozen=True, slots=True)
class InUse:
    """What counts for the limits of accounts. Accounts, lanes and models that use nothing are missing."""

    slots: Mapping[str, Mapping[str, Usage]]
    """By account and lane."""
    started: Mapping[str, int]
    """POSTs begun in the last 60 s, by account."""
    started_of: Mapping[tuple[str, str], int]
    """The same by account and model."""


def read_usage(
    conn: Connection, grace_s: float, names: Sequence[str] | None, paced: Sequence[str], apart: Set[tuple[str, str]]
) -> InUse:
    """What is in use of these accounts (None: of all). POSTs are counted of accounts that are `paced`, and of accounts
    and models that are counted `apart`. `grace_s`: as for `slots_in_use`."""
    parameters = _parameters(grace_s, names) | {
        "paced": list(paced),
        "apart": sorted({name for name, _ in apart}),
        "models": sorted({model for _, model in apart}),
    }
    slots: dict[str, dict[str, Usage]] = {}
    started: dict[str, int] = {}
    started_of: dict[tuple[str, str], int] = {}
    for kind, account, name, *numbers in conn.execute(_ALL, parameters):
        if kind == "slots":
            slots.setdefault(account, {})[name] = Usage(*numbers)
        elif kind == "started":
            started[account] = numbers[0]
        else:
            started_of[account, name] = numbers[0]
    return InUse(slots, started, started_of)


def _parameters(grace_s: float, names: Sequence[str] | None) -> dict[str, object]:
    return {"names": None if names is None else list(names), "young_s": min(grace_s, UNCONFIRMED_SLOT_S)}
