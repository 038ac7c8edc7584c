"""The SQL of admission: what an account has in use, whose turn it is, and the claim of queued jobs.

A share is a tenant's campaign (jobs without one are a share of their own), and what of it is pinned to an account. The
index `jobs_shares_idx` holds each share's queued jobs together, so that finding the next share is one leap in it,
however many jobs wait.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString
from uuid import UUID

from psycopg.rows import class_row, dict_row

from storage.database import Connection
from storage.records import Claimed

Share = tuple[UUID, str]
"""A campaign (all zeros: none) and the account it is pinned to (empty: none)."""

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
_USAGE: LiteralString = """
SELECT account, count(*) AS in_flight, count(*) FILTER (WHERE state = 'queued') AS claimed,
       count(*) FILTER (WHERE state IN ('queued', 'submitting')) AS starting
FROM jobs
WHERE account = ANY(%(names)s) AND account IS NOT NULL AND due_at IS NOT NULL AND state <> 'transferring'
  AND (state <> 'queued' OR due_at > now())
  AND (state <> 'unconfirmed' OR updated_at > now() - make_interval(secs => %(grace_s)s))
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


# --- turns -----------------------------------------------------------------------------------------------------------

_NEXT_PRIORITY: LiteralString = """
SELECT priority FROM jobs WHERE state = 'queued' AND priority < %(below)s ORDER BY priority DESC LIMIT 1
"""
_TENANTS: LiteralString = """
WITH RECURSIVE walk AS (
    (SELECT tenant FROM jobs WHERE state = 'queued' AND priority = %(priority)s ORDER BY tenant LIMIT 1)
    UNION ALL
    SELECT n.tenant FROM walk w CROSS JOIN LATERAL (
        SELECT tenant FROM jobs WHERE state = 'queued' AND priority = %(priority)s AND tenant > w.tenant
        ORDER BY tenant LIMIT 1) n
)
SELECT w.tenant, t.campaign, t.pin FROM walk w
LEFT JOIN account_turns t ON t.account = %(account)s AND t.tenant = w.tenant
ORDER BY t.served_at NULLS FIRST, w.tenant
"""
_SHARE: LiteralString = """
SELECT coalesce(campaign_id, '00000000-0000-0000-0000-000000000000'::uuid) AS campaign,
       coalesce(account_pin, ''::text) AS pin, due_at
FROM jobs WHERE state = 'queued' AND priority = %(priority)s AND tenant = %(tenant)s
  AND (coalesce(campaign_id, '00000000-0000-0000-0000-000000000000'::uuid), coalesce(account_pin, ''::text)) """
_SHARE_ORDER: LiteralString = """
ORDER BY priority DESC, tenant, coalesce(campaign_id, '00000000-0000-0000-0000-000000000000'::uuid),
         coalesce(account_pin, ''::text), due_at, id LIMIT 1
"""
_LEAPS: LiteralString = f"""
    UNION ALL
    SELECT n.* FROM walk w CROSS JOIN LATERAL ({_SHARE} > (w.campaign, w.pin) {_SHARE_ORDER}) n
)
SELECT w.campaign, w.pin FROM walk w LEFT JOIN campaigns c ON c.id = w.campaign
WHERE w.due_at <= now() AND w.pin IN ('', %(account)s) AND c.paused_at IS NULL LIMIT %(limit)s
"""  # noqa: S608 - put together from constants
# The outer LIMIT ends the recursion: the walk leaps no farther than it is read.
_SHARES_AFTER: LiteralString = f"""
WITH RECURSIVE walk AS ( ({_SHARE} > (%(campaign)s::uuid, %(pin)s::text) {_SHARE_ORDER}) {_LEAPS}
"""
_SHARES_FROM_FIRST: LiteralString = f"""
WITH RECURSIVE walk AS ( ({_SHARE} >= ('00000000-0000-0000-0000-000000000000'::uuid, ''::text) {_SHARE_ORDER}) {_LEAPS}
"""
# CTEs, not sub-selects: PostgreSQL may run a LIMITed sub-select again inside a nested loop and claim more than asked.
_CLAIM: LiteralString = """
WITH shares AS (
    SELECT * FROM unnest(%(campaigns)s::uuid[], %(pins)s::text[]) WITH ORDINALITY AS s(campaign, pin, turn)
), due AS (
    SELECT s.turn, d.id FROM shares s CROSS JOIN LATERAL (
        SELECT id FROM jobs
        WHERE state = 'queued' AND priority = %(priority)s AND tenant = %(tenant)s
          AND coalesce(campaign_id, '00000000-0000-0000-0000-000000000000'::uuid) = s.campaign
          AND coalesce(account_pin, ''::text) = s.pin AND due_at <= now()
          AND %(gateway)s = ANY(gateways) AND cancel_request IS NULL
          AND (%(tiers)s::text[] IS NULL OR coalesce(request ->> 'tier', 'standard') = ANY(%(tiers)s::text[]))
        ORDER BY due_at, id LIMIT %(each)s FOR UPDATE SKIP LOCKED) d
)
UPDATE jobs j SET claim = j.claim + 1, account = %(account)s, due_at = now() + make_interval(secs => %(lease_s)s)
FROM due WHERE j.id = due.id RETURNING due.turn, j.id, j.claim
"""
_SERVED: LiteralString = """
INSERT INTO account_turns (account, tenant, campaign, pin) VALUES (%(account)s, %(tenant)s, %(campaign)s, %(pin)s)
ON CONFLICT (account, tenant) DO UPDATE SET campaign = excluded.campaign, pin = excluded.pin,
                                            served_at = clock_timestamp()
"""


def claim_submits(
    conn: Connection, account: str, gateway: str, limit: int, lease_s: float, tiers: Sequence[str] | None = None
) -> list[Claimed]:
    """Lease queued jobs that this account can serve, and note the account.

    The highest priority first; within it tenants take turns, and within a tenant its campaigns; within a campaign the
    oldest first. `tiers`: the only ones the account has; None: all that its gateway has.
    """
    fixed = {"account": account, "gateway": gateway, "lease_s": lease_s, "tiers": tiers and list(tiers)}
    claimed: list[Claimed] = []
    below = 10
    while len(claimed) < limit and (row := conn.execute(_NEXT_PRIORITY, {"below": below}).fetchone()):
        below = row[0]
        at = {**fixed, "priority": below}
        takers = [
            _TenantTurn(conn, at, tenant, None if campaign is None else (campaign, pin))
            for tenant, campaign, pin in conn.execute(_TENANTS, at).fetchall()
        ]
        share_out(limit - len(claimed), takers)
        claimed += (item for taker in takers for item in taker.claimed)
    return claimed


def share_out(slots: int, takers: Sequence[Callable[[int], int]]) -> None:
    """Deal slots in equal numbers; what one taker cannot use goes to the others.

    A taker is called with what it is dealt and answers what it has used. Where there are too few slots for everybody,
    the first in order get them.
    """
    hungry = deque(takers)
    while slots > 0 and hungry:
        each = max(1, slots // len(hungry))
        for _ in range(min(len(hungry), slots)):
            taker = hungry.popleft()
            used = taker(each)
            slots -= used
            if used == each:
                hungry.append(taker)


class _TenantTurn:
    """Claims for one tenant at one priority, from its shares in turn."""

    def __init__(self, conn: Connection, parameters: Mapping[str, Any], tenant: str, served: Share | None) -> None:
        self.claimed: list[Claimed] = []
        self._conn = conn
        self._at = {**parameters, "tenant": tenant}
        self._served = served

    def __call__(self, slots: int) -> int:
        before, left = len(self.claimed), slots
        shares = self._shares(slots)
        while shares and left > 0:
            each = max(1, left // len(shares))
            turn, waiting = shares[:left], shares[left:]
            counts = self._claim(turn, each)
            left -= sum(counts)
            # A share that gave less than it was asked for has no more that is due.
            shares = waiting + [share for share, count in zip(turn, counts, strict=True) if count == each]
        used = len(self.claimed) - before
        if used and self._served is not None:
            self._conn.execute(_SERVED, {**self._at, "campaign": self._served[0], "pin": self._served[1]})
        return used

    def _shares(self, limit: int) -> list[Share]:
        """Shares with something due, in the order of their turns: the one served last comes last."""
        shares: list[Share] = []
        if self._served is not None:
            after = {**self._at, "campaign": self._served[0], "pin": self._served[1], "limit": limit}
            shares = self._read(_SHARES_AFTER, after)
        if len(shares) < limit:
            known = set(shares)
            first = self._read(_SHARES_FROM_FIRST, {**self._at, "limit": limit})
            shares += [share for share in first if share not in known]
        return shares[:limit]

    def _read(self, sql: LiteralString, parameters: Mapping[str, Any]) -> list[Share]:
        return [(row[0], row[1]) for row in self._conn.execute(sql, parameters)]

    def _claim(self, shares: Sequence[Share], each: int) -> list[int]:
        """Claim up to `each` from every share; gives how many each has given."""
        parameters = {**self._at, "campaigns": [c for c, _ in shares], "pins": [p for _, p in shares], "each": each}
        counts = [0] * len(shares)
        for turn, job_id, claim in sorted(self._conn.execute(_CLAIM, parameters)):
            counts[turn - 1] += 1
            self.claimed.append(Claimed(job_id, claim, self._at["account"]))
            self._served = shares[turn - 1]
        return counts
