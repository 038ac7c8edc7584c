"""Fair share: deal slots to tenants in turn, and within a tenant to its campaigns, each by its weight.

A share is one campaign of a tenant and one pinned account; jobs without a campaign, and jobs without a pin, are shares
too. A priority counts within its tenant only, because every tenant chooses its own. `share_walks` finds the shares. A
share of weight 3 gets three jobs in its turn; a turn that a claim interrupts continues in the next claim.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import accumulate, groupby
from typing import Any, LiteralString
from uuid import UUID

from seedance.lanes import model_of
from storage.admission.budgets import WHOLE_TENANT
from storage.admission.campaign_pace import within_limits
from storage.admission.grants import Grant
from storage.admission.ledger import Ledger
from storage.admission.queued_claims import Which, claim_limited, claim_queued
from storage.admission.share_walks import next_priority, shares_to_serve, tenants_to_serve
from storage.database import Connection
from storage.leases import Claimed

_SERVED: LiteralString = """
INSERT INTO account_turns AS t (account, tenant, campaign, pin, taken, share_taken, served_at)
VALUES (%(account)s, %(tenant)s, %(campaign)s, %(pin)s, %(taken)s, %(share_taken)s,
        CASE WHEN %(turn_is_over)s THEN clock_timestamp() ELSE to_timestamp(0) END)
ON CONFLICT (account, tenant) DO UPDATE SET
    campaign = excluded.campaign, pin = excluded.pin, taken = excluded.taken, share_taken = excluded.share_taken,
    served_at = CASE WHEN %(turn_is_over)s THEN excluded.served_at ELSE t.served_at END
"""


_NEVER = datetime.min.replace(tzinfo=UTC)


class FairShare:
    """Leases queued jobs for one grant, by fair share, within its slots and the budgets."""

    def __init__(self, conn: Connection, grant: Grant, lease_s: float) -> None:
        self._conn = conn
        self._grant = grant
        self._lease_s = lease_s
        self._ledger = Ledger(conn, grant.account)
        self.most = dict(grant.most)
        """By model: how many more may be leased, if that is limited."""

    def claim(self, limit: int, *, which: Which = Which.ANY, model: str | None = None) -> list[Claimed]:
        """Lease up to `limit` jobs that the account can serve, and record the account.

        Tenants take turns. Within a tenant the highest priority comes first, within that its campaigns take turns, and
        within a campaign the oldest job comes first. `model`: take only jobs for this model.
        """
        fixed = {
            "account": self._grant.account.name,
            "gateway": self._grant.account.gateway,
            "lease_s": self._lease_s,
            "whole": WHOLE_TENANT,
            "served": None if self._grant.serves.only is None else sorted(self._grant.serves.only),
            "not_served": sorted(self._grant.serves.besides),
        }
        lanes = _Lanes(self._grant, self.most, model)
        tenants = [
            _Tenant(self._conn, self._ledger, lanes, which, fixed, name, priorities, *turn)
            for name, priorities, turn in self._in_turn(which, {**fixed, "closed": lanes.closed()})
        ]
        _serve_all(tenants, limit)
        return [item for tenant in tenants for item in tenant.claimed]

    def _in_turn(self, which: Which, fixed: Mapping[str, Any]) -> list[tuple[str, list[int], tuple[Any, ...]]]:
        """The tenants with queued jobs that can be served, the one whose turn is next first, with the priorities of
        these jobs and where their last turn ended."""
        found: dict[str, tuple[Any, ...]] = {}
        priorities: dict[str, list[int]] = {}
        below = 10
        while (priority := next_priority(self._conn, which, below)) is not None:
            below = priority
            for name, *turn in tenants_to_serve(self._conn, which, {**fixed, "priority": below}):
                found[name] = tuple(turn)
                priorities.setdefault(name, []).append(below)
        order = sorted(found, key=lambda name: (found[name][0], found[name][1] or _NEVER, name))
        return [(name, priorities[name], found[name][2:]) for name in order]


class _Lanes:
    """The lanes that may be claimed from, as the slots of their models are used up."""

    def __init__(self, grant: Grant, most: dict[str, int], only: str | None) -> None:
        self._grant = grant
        self._most = most
        self._only = only

    @property
    def count(self) -> int:
        return len(self._grant.lanes)

    def closed(self) -> list[str]:
        closed = self._grant.closed_lanes([model for model, most in self._most.items() if most <= 0])
        if self._only is None:
            return closed
        return [*closed, *(lane for lane in self._grant.lanes if self.model_of(lane) != self._only)]

    def model_of(self, lane: str) -> str:
        """The model of a lane; an unknown lane, written by an older release, counts as its own model."""
        return model_of(self._grant.account.dialect, lane) or f"lane {lane}"

    def most(self, model: str, wanted: int) -> int:
        return self._most.get(model, wanted)

    def take(self, model: str) -> bool:
        """Record one claimed job; True if it took the model's last slot."""
        if model not in self._most:
            return False
        self._most[model] -= 1
        return self._most[model] <= 0


@dataclass(frozen=True, slots=True)
class Deal:
    """The slots that each member of a ring gets. `taken`: how many the `last` one has had of its interrupted turn; 0:
    its turn is over."""

    counts: list[int]
    last: int
    taken: int

    def order(self) -> list[int]:
        """The indices of the ring, from the member with which the next deal begins."""
        start = self.last if self.taken else self.last + 1
        size = len(self.counts)
        return [(start + step) % size for step in range(size)]


def deal(slots: int, weights: Sequence[int], taken: int = 0) -> Deal:
    """Deal slots round a ring: each member in turn gets as many as its weight, until none is left.

    The first member has already had `taken` slots of its turn. There must be at least one slot and one member.
    """
    whole = sum(weights)
    starts = [0, *accumulate(weights)][:-1]

    def dealt(index: int, end: int) -> int:
        rounds, place = divmod(end, whole)
        return rounds * weights[index] + min(max(place - starts[index], 0), weights[index])

    end = taken + slots
    counts = [dealt(index, end) - dealt(index, taken) for index in range(len(weights))]
    place = (end - 1) % whole
    last = bisect_right(starts, place) - 1
    return Deal(counts, last, (place - starts[last] + 1) % weights[last])


def _serve_all(tenants: Sequence[_Tenant], slots: int) -> None:
    """Deal slots to tenants; slots that one cannot use go to the others."""
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
    # The order here is their order in the next deal.
    for tenant in (*done, *ring):
        tenant.record()


class _Tenant:
    """Claims for one tenant, its highest priority first, from its shares in turn."""

    def __init__(
        self,
        conn: Connection,
        ledger: Ledger,
        lanes: _Lanes,
        which: Which,
        parameters: Mapping[str, Any],
        name: str,
        priorities: list[int],
        weight: int,
        taken: int,
        campaign: UUID | None,
        pin: str | None,
        share_taken: int,
    ) -> None:
        self.weight = weight
        self.taken = taken
        """Slots that it has had of a turn that is not over."""
        self.used = 0
        """Slots that it used of its last deal."""
        self.claimed: list[Claimed] = []
        self._conn = conn
        self._ledger = ledger
        self._lanes = lanes
        self._which = which
        self._priorities = priorities
        """Those that may still have jobs, the highest first."""
        self._at = {**parameters, "tenant": name}
        self._served = None if campaign is None else (campaign, pin or "")
        self._share_taken = share_taken

    def serve(self, slots: int) -> bool:
        """Claim up to `slots` jobs; False if there were fewer."""
        before, left = len(self.claimed), slots
        while left > 0 and self._priorities:
            self._at["priority"] = self._priorities[0]
            left -= self._serve_priority(left)
            if left > 0:
                self._priorities.pop(0)
        self.used = len(self.claimed) - before
        if slots and not self.used:
            self._ledger.hold(self._at["tenant"])
        return self.used == slots

    def _serve_priority(self, slots: int) -> int:
        """Claim up to `slots` jobs of the present priority; gives how many."""
        left = slots
        ring = self._shares(slots)
        taken = self._share_taken if ring and ring[0].key == self._served else 0
        while left > 0 and ring:
            dealt = deal(left, [share.weight for share in ring], taken % ring[0].weight)
            counts, used_up = self._claim(ring, dealt.counts)
            left -= sum(counts)
            full = [count == wanted for count, wanted in zip(counts, dealt.counts, strict=True)]
            taken = dealt.taken if full[dealt.last] else 0
            if counts[dealt.last]:
                self._served, self._share_taken = ring[dealt.last].key, taken
            # A share that gave less than its deal has no more due jobs, unless a model was used up.
            again = [
                index
                for index in dealt.order()
                if full[index] or used_up & {self._lanes.model_of(lane) for lane, _ in ring[index].places}
            ]
            ring = [share for index in again if (share := ring[index].without(used_up, self._lanes)).places]
        return slots - left

    def record(self) -> None:
        """Record where the next claim continues."""
        if not self.claimed or self._served is None:
            return
        campaign, pin = self._served
        known = {"campaign": campaign, "pin": pin, "taken": self.taken, "share_taken": self._share_taken}
        self._conn.execute(_SERVED, {**self._at, **known, "turn_is_over": self.taken == 0})

    def _shares(self, limit: int) -> list[_Share]:
        """Shares with due jobs, in the order of their turns.

        The share that was served last comes last, or first if its turn was interrupted.
        """
        shares: list[_Share] = []
        closed = {"closed": self._lanes.closed()}
        if self._served is not None:
            after = {**self._at, **closed, "campaign": self._served[0], "pin": self._served[1], "limit": limit}
            shares = self._read(after, after=not self._share_taken)
        if len(shares) < limit:
            known = {share.key for share in shares}
            at = {**self._at, **closed, "campaign": WHOLE_TENANT, "pin": "", "limit": limit}
            shares += [share for share in self._read(at, after=False) if share.key not in known]
        return shares[:limit]

    def _read(self, parameters: Mapping[str, Any], *, after: bool) -> list[_Share]:
        """Complete shares only: a last share that the limit cuts off would look complete."""
        limit = parameters["limit"] + self._lanes.count + 1
        rows = shares_to_serve(self._conn, self._which, {**parameters, "limit": limit}, after=after)
        shares = [
            _Share(key, found[0][4], tuple((row[2], row[3]) for row in found), found[0][5], found[0][6])
            for key, group in groupby(rows, lambda row: (row[0], row[1]))
            for found in [list(group)]
        ]
        return shares[:-1] if len(rows) == limit and len(shares) > 1 else shares

    def _claim(self, shares: Sequence[_Share], wanted: Sequence[int]) -> tuple[list[int], set[str]]:
        """Claim up to `wanted` jobs from the shares; returns the number from each, and the models that are used up."""
        wanted = within_limits(self._conn, [(share.key[0], share.most) for share in shares], wanted)
        rows: list[tuple[int, UUID, int, str]] = []
        taken = Counter[str]()
        for limited, lease in ((False, claim_queued), (True, claim_limited)):
            asked = [
                (turn, *share.key, lane, route, count, model, self._lanes.most(model, sum(wanted)) - taken[model])
                for turn, (share, count) in enumerate(zip(shares, wanted, strict=True))
                if share.limited is limited
                for lane, route in share.places
                for model in [self._lanes.model_of(lane)]
            ]
            names = ("turns", "campaigns", "pins", "lanes", "routes", "counts", "models", "most")
            columns = zip(*asked, strict=True) if asked else [()] * len(names)
            found = lease(self._conn, self._which, {**self._at, **dict(zip(names, map(list, columns), strict=True))})
            taken.update(row[3] for row in found)
            rows += found
        rows.sort()
        admitted = self._ledger.admit(self._at["tenant"], [row[1] for row in rows])
        counts = [0] * len(shares)
        used_up = set()
        for turn, job_id, claim, model in rows:
            if job_id in admitted:
                counts[turn] += 1
                self.claimed.append(Claimed(job_id, claim, self._at["account"]))
                if self._lanes.take(model):
                    used_up.add(model)
        return counts, used_up


@dataclass(frozen=True, slots=True)
class _Share:
    """One share. `key`: its campaign (all zeros: none) and pinned account (empty: none); `places`: its lanes and routes
    with due jobs; `limited`: a budget limits it; `most`: how many of its campaign's jobs may be at gateways at once,
    None: any."""

    key: tuple[UUID, str]
    weight: int
    places: tuple[tuple[str, int], ...]
    limited: bool
    most: int | None

    def without(self, models: set[str], lanes: _Lanes) -> _Share:
        """The share without the lanes of these models."""
        return replace(self, places=tuple(place for place in self.places if lanes.model_of(place[0]) not in models))
