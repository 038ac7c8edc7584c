"""Whose turn it is: slots are dealt to tenants, and within a tenant to its campaigns, each by its weight.

A share is a tenant's campaign (jobs without one are a share of their own), and what of it is pinned to an account. The
index `jobs_shares_idx` holds each share's queued jobs together, so that finding the next share is one leap in it,
however many jobs wait. A share of weight 3 gets three jobs in its turn; a turn that a claim breaks off goes on in the
next one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, LiteralString
from uuid import UUID

from storage.admission.budgets import WHOLE_TENANT, Ledger
from storage.database import Connection
from storage.leases import Claimed

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
SELECT w.tenant, coalesce(n.weight, 1), coalesce(t.taken, 0), t.campaign, t.pin, coalesce(t.share_taken, 0)
FROM walk w
LEFT JOIN account_turns t ON t.account = %(account)s AND t.tenant = w.tenant
LEFT JOIN tenants n ON n.name = w.tenant
LEFT JOIN budgets b ON b.tenant = w.tenant AND b.campaign_id = %(whole)s
WHERE coalesce(b.held_until <= now(), true)
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
SELECT w.campaign, w.pin, coalesce(c.weight, 1) FROM walk w LEFT JOIN campaigns c ON c.id = w.campaign
LEFT JOIN budgets b ON b.tenant = %(tenant)s AND b.campaign_id = w.campaign
WHERE w.due_at <= now() AND w.pin IN ('', %(account)s) AND c.paused_at IS NULL AND coalesce(b.held_until <= now(), true)
LIMIT %(limit)s
"""  # noqa: S608 - put together from constants
# The outer LIMIT ends the recursion: the walk leaps no farther than it is read.
_SHARES_AFTER: LiteralString = f"""
WITH RECURSIVE walk AS ( ({_SHARE} > (%(campaign)s::uuid, %(pin)s::text) {_SHARE_ORDER}) {_LEAPS}
"""
_SHARES_FROM: LiteralString = f"""
WITH RECURSIVE walk AS ( ({_SHARE} >= (%(campaign)s::uuid, %(pin)s::text) {_SHARE_ORDER}) {_LEAPS}
"""
# CTEs, not sub-selects: PostgreSQL may run a LIMITed sub-select again inside a nested loop and claim more than asked.
_CLAIM: LiteralString = """
WITH shares AS (
    SELECT * FROM unnest(%(campaigns)s::uuid[], %(pins)s::text[], %(counts)s::int[])
                  WITH ORDINALITY AS s(campaign, pin, wanted, turn)
), due AS (
    SELECT s.turn, d.id FROM shares s CROSS JOIN LATERAL (
        SELECT id FROM jobs
        WHERE state = 'queued' AND priority = %(priority)s AND tenant = %(tenant)s
          AND coalesce(campaign_id, '00000000-0000-0000-0000-000000000000'::uuid) = s.campaign
          AND coalesce(account_pin, ''::text) = s.pin AND due_at <= now()
          AND %(gateway)s = ANY(gateways) AND cancel_request IS NULL
          AND (reason IS NULL OR reason <> ALL(%(besides)s::text[]))
          AND (%(only)s::text[] IS NULL OR reason = ANY(%(only)s::text[]))
          AND (%(tiers)s::text[] IS NULL OR coalesce(request ->> 'tier', 'standard') = ANY(%(tiers)s::text[]))
        ORDER BY due_at, id LIMIT s.wanted FOR UPDATE SKIP LOCKED) d
)
UPDATE jobs j SET claim = j.claim + 1, account = %(account)s, due_at = now() + make_interval(secs => %(lease_s)s)
FROM due WHERE j.id = due.id RETURNING due.turn, j.id, j.claim
"""
_SERVED: LiteralString = """
INSERT INTO account_turns AS t (account, tenant, campaign, pin, taken, share_taken, served_at)
VALUES (%(account)s, %(tenant)s, %(campaign)s, %(pin)s, %(taken)s, %(share_taken)s,
        CASE WHEN %(turn_is_over)s THEN clock_timestamp() ELSE to_timestamp(0) END)
ON CONFLICT (account, tenant) DO UPDATE SET
    campaign = excluded.campaign, pin = excluded.pin, taken = excluded.taken, share_taken = excluded.share_taken,
    served_at = CASE WHEN %(turn_is_over)s THEN excluded.served_at ELSE t.served_at END
"""


def claim_submits(
    conn: Connection,
    account: str,
    gateway: str,
    limit: int,
    lease_s: float,
    tiers: Sequence[str] | None = None,
    besides: Sequence[str] = (),
    only: Sequence[str] | None = None,
) -> list[Claimed]:
    """Lease queued jobs that this account can serve and the budgets allow, and note the account.

    The highest priority first; within it tenants take turns, and within a tenant its campaigns; within a campaign the
    oldest first. `tiers`: the only ones the account has; None: all that its gateway has. `besides`: jobs that are in
    the queue for these reasons stay there; `only`: those that are there for another reason do, None: none of them.
    """
    fixed = {
        "account": account,
        "gateway": gateway,
        "lease_s": lease_s,
        "tiers": tiers and list(tiers),
        "besides": list(besides),
        "only": only and list(only),
    }
    ledger = Ledger(conn)
    claimed: list[Claimed] = []
    below = 10
    while len(claimed) < limit and (row := conn.execute(_NEXT_PRIORITY, {"below": below}).fetchone()):
        below = row[0]
        at = {**fixed, "priority": below, "whole": WHOLE_TENANT}
        tenants = [_Tenant(conn, ledger, at, *row) for row in conn.execute(_TENANTS, at).fetchall()]
        _serve_all(tenants, limit - len(claimed))
        claimed += (item for tenant in tenants for item in tenant.claimed)
    return claimed


@dataclass(frozen=True, slots=True)
class Deal:
    """What each in a ring is dealt. The turn of the `last` one is over (`taken` 0), or broken off after so many."""

    counts: list[int]
    last: int
    taken: int

    def order(self) -> list[int]:
        """The ring from where the next deal begins."""
        begin = self.last if self.taken else self.last + 1
        size = len(self.counts)
        return [(begin + step) % size for step in range(size)]


def deal(slots: int, weights: Sequence[int], taken: int = 0) -> Deal:
    """Deal slots round a ring: each in turn gets as many as its weight, until none is left. The first has had `taken`
    of its turn already. There must be a slot, and somebody to take it."""
    whole = sum(weights)
    begins = [0, *accumulate(weights)][:-1]

    def dealt(index: int, end: int) -> int:
        rounds, place = divmod(end, whole)
        return rounds * weights[index] + min(max(place - begins[index], 0), weights[index])

    end = taken + slots
    counts = [dealt(index, end) - dealt(index, taken) for index in range(len(weights))]
    place = (end - 1) % whole
    last = bisect_right(begins, place) - 1
    return Deal(counts, last, (place - begins[last] + 1) % weights[last])


def _serve_all(tenants: Sequence[_Tenant], slots: int) -> None:
    """Deal slots to tenants; what one cannot use goes to the others."""
    ring, done = list(tenants), list[_Tenant]()
    taken = ring[0].taken % ring[0].weight if ring else 0
    while slots > 0 and ring:
        dealt = deal(slots, [tenant.weight for tenant in ring], taken)
        full = [tenant.serve(count) for tenant, count in zip(ring, dealt.counts, strict=True)]
        slots -= sum(tenant.used for tenant in ring)
        for index, tenant in enumerate(ring):
            tenant.taken = dealt.taken if index == dealt.last and full[index] else 0
        taken = ring[dealt.last].taken
        done += [tenant for tenant, is_full in zip(ring, full, strict=True) if not is_full]
        ring = [ring[index] for index in dealt.order() if full[index]]
    # Their places in the next deal are those in which they stand here.
    for tenant in (*done, *ring):
        tenant.record()


class _Tenant:
    """Claims for one tenant at one priority, from its shares in turn."""

    def __init__(
        self,
        conn: Connection,
        ledger: Ledger,
        parameters: Mapping[str, Any],
        name: str,
        weight: int,
        taken: int,
        campaign: UUID | None,
        pin: str | None,
        share_taken: int,
    ) -> None:
        self.weight = weight
        self.taken = taken
        """What it has had of a turn that is not over."""
        self.used = 0
        """Of what it was dealt last."""
        self.claimed: list[Claimed] = []
        self._conn = conn
        self._ledger = ledger
        self._at = {**parameters, "tenant": name}
        self._served = None if campaign is None else (campaign, pin or "")
        self._share_taken = share_taken

    def serve(self, slots: int) -> bool:
        """Claim as many; False when there was less to claim."""
        before, left = len(self.claimed), slots
        ring = self._shares(slots) if slots else []
        taken = self._share_taken if ring and ring[0].key == self._served else 0
        while left > 0 and ring:
            dealt = deal(left, [share.weight for share in ring], taken % ring[0].weight)
            counts = self._claim(ring, dealt.counts)
            left -= sum(counts)
            full = [count == wanted for count, wanted in zip(counts, dealt.counts, strict=True)]
            taken = dealt.taken if full[dealt.last] else 0
            if counts[dealt.last]:
                self._served, self._share_taken = ring[dealt.last].key, taken
            # A share that gave less than it was asked for has no more that is due.
            ring = [ring[index] for index in dealt.order() if full[index]]
        self.used = len(self.claimed) - before
        return self.used == slots

    def record(self) -> None:
        """Note where the next claim goes on."""
        if not self.claimed or self._served is None:
            return
        campaign, pin = self._served
        known = {"campaign": campaign, "pin": pin, "taken": self.taken, "share_taken": self._share_taken}
        self._conn.execute(_SERVED, {**self._at, **known, "turn_is_over": self.taken == 0})

    def _shares(self, limit: int) -> list[_Share]:
        """Shares with something due, in the order of their turns: the one served last comes last, unless its turn was
        broken off."""
        shares: list[_Share] = []
        if self._served is not None:
            after = {**self._at, "campaign": self._served[0], "pin": self._served[1], "limit": limit}
            shares = self._read(_SHARES_FROM if self._share_taken else _SHARES_AFTER, after)
        if len(shares) < limit:
            known = {share.key for share in shares}
            first = self._read(_SHARES_FROM, {**self._at, "campaign": WHOLE_TENANT, "pin": "", "limit": limit})
            shares += [share for share in first if share.key not in known]
        return shares[:limit]

    def _read(self, sql: LiteralString, parameters: Mapping[str, Any]) -> list[_Share]:
        return [_Share((row[0], row[1]), row[2]) for row in self._conn.execute(sql, parameters)]

    def _claim(self, shares: Sequence[_Share], wanted: Sequence[int]) -> list[int]:
        """Claim up to `wanted` from the shares; gives how many each has given."""
        parameters = {
            **self._at,
            "campaigns": [share.key[0] for share in shares],
            "pins": [share.key[1] for share in shares],
            "counts": list(wanted),
        }
        rows = sorted(self._conn.execute(_CLAIM, parameters))
        admitted = self._ledger.admit(self._at["tenant"], [job_id for _, job_id, _ in rows])
        counts = [0] * len(shares)
        for turn, job_id, claim in rows:
            if job_id in admitted:
                counts[turn - 1] += 1
                self.claimed.append(Claimed(job_id, claim, self._at["account"]))
        return counts


@dataclass(frozen=True, slots=True)
class _Share:
    """A campaign (all zeros: none) and the account it is pinned to (empty: none), with the campaign's weight."""

    key: tuple[UUID, str]
    weight: int
