"""Fair share: deal slots to tenants in turn, and within a tenant to its campaigns, each by its weight.

A share is one campaign of a tenant and one pinned account; jobs without a campaign, and jobs without a pin, are shares
too. A priority counts within its tenant only, because every tenant chooses its own. `share_walks` finds the shares. A
share of weight 3 gets three jobs in its turn; a turn that a claim interrupts continues in the next claim.

Accounts claim side by side, and the tenants of an account too; see `side_by_side`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from storage.admission.deals import deal
from storage.admission.grants import Grant
from storage.admission.leasing import LeaseShares
from storage.admission.ledger import NothingFits
from storage.admission.queue.share_walks import NextShares, NextTenants, Share, TenantInTurn
from storage.admission.seekers import Lanes, Seeker, Which
from storage.admission.side_by_side import Question, Step, together
from storage.admission.spending.budgets import WHOLE_TENANT
from storage.admission.turns import EndOfTurn
from storage.leases import Claimed

_ALL = 1_000_000
"""More tenants than any database has."""


class FairShare:
    """Leases queued jobs for one grant, by fair share, within its slots and the budgets."""

    def __init__(self, grant: Grant) -> None:
        self._grant = grant
        self.lanes = Lanes(grant)

    def seeker(self, which: Which = Which.ANY, model: str | None = None) -> Seeker:
        """What a claim looks for."""
        return Seeker(self.lanes, self._grant.serves, which, model)

    def claim(self, limit: int, *, which: Which = Which.ANY, model: str | None = None) -> Step[list[Claimed]]:
        """Lease up to `limit` jobs that the account can serve, and record the turns.

        Tenants take turns. Within a tenant the highest priority comes first, within that its campaigns take turns, and
        within a campaign the oldest job comes first. `model`: take only jobs for this model.
        """
        if limit <= 0:
            return []
        while True:
            seeker = self.seeker(which, model)
            try:
                tenants = yield from _serve_all(seeker, limit)
                break
            except _Deferred:
                pass  # the queue has changed: look again
        ended: list[Question] = [end for tenant in tenants for end in tenant.ended()]
        if ended:
            yield ended
        return [item for tenant in tenants for item in tenant.claimed]


class _Deferred(Exception):
    """Claims before this one come first."""


def _tenants(seeker: Seeker, most: int, besides: Sequence[str] = ()) -> Step[list[_Tenant]]:
    """The tenants whose turn is next."""
    question = NextTenants(seeker, most, besides)
    yield [question]
    return [_Tenant(seeker, found) for found in question.found]


def _serve_all(seeker: Seeker, slots: int) -> Step[list[_Tenant]]:
    """Deal slots to tenants; slots that one cannot use go to the others. Gives those that had their turn, in the order
    of the next deal."""
    # No more than `slots` tenants get one in the first deal; the others are only needed if these leave some.
    ring, done = (yield from _tenants(seeker, slots)), list[_Tenant]()
    is_whole = len(ring) < slots
    taken = ring[0].taken % ring[0].weight if ring else 0
    while slots > 0 and ring:
        dealt = deal(slots, [tenant.weight for tenant in ring], taken)
        full = yield from together([tenant.serve(count) for tenant, count in zip(ring, dealt.counts, strict=True)])
        slots -= sum(tenant.used for tenant in ring)
        for index, tenant in enumerate(ring):
            tenant.taken = dealt.taken if index == dealt.last and full[index] else 0
        taken = ring[dealt.last].taken
        others = list[_Tenant]()
        if slots > 0 and not is_whole:
            is_whole, others = True, (yield from _tenants(seeker, _ALL, [tenant.name for tenant in ring]))
        done += [tenant for tenant, is_full in zip(ring, full, strict=True) if not is_full]
        ring, full = ring + others, full + [True] * len(others)
        ring = [ring[index] for index in dealt.order(len(others)) if full[index]]
    return [*done, *ring]


class _Tenant:
    """Claims for one tenant, its highest priority first, from its shares in turn."""

    def __init__(self, seeker: Seeker, found: TenantInTurn) -> None:
        self.name = found.name
        self.weight = found.weight
        self.taken = found.taken
        """Slots that it has had of a turn that is not over."""
        self.used = 0
        """Slots that it used of its last deal."""
        self.claimed: list[Claimed] = []
        self._seeker = seeker
        self._priorities = list(found.priorities)
        """Those that may still have jobs, the highest first."""
        self._served = None if found.campaign is None else (found.campaign, found.pin or "")
        self._share_taken = found.share_taken

    def serve(self, slots: int) -> Step[bool]:
        """Claim up to `slots` jobs; False if there were fewer."""
        before, left = len(self.claimed), slots
        while left > 0 and self._priorities:
            count, used_up = yield from self._serve_priority(left)
            left -= count
            if left > 0 and not used_up:  # without the lanes that were used up, there may be other shares
                self._priorities.pop(0)
        self.used = len(self.claimed) - before
        if slots and not self.used:
            yield [NothingFits(self._seeker, self.name)]
        return self.used == slots

    def _serve_priority(self, slots: int) -> Step[tuple[int, set[str]]]:
        """Claim up to `slots` jobs of the present priority; gives how many, and the models that were used up."""
        left, closed = slots, set[str]()
        ring = yield from self._shares(slots)
        taken = self._share_taken if ring and ring[0].key == self._served else 0
        while left > 0 and ring:
            dealt = deal(left, [share.weight for share in ring], taken % ring[0].weight)
            lanes = self._seeker.lanes
            question = LeaseShares(self._seeker, self.name, self._priorities[0], ring, dealt.counts)
            yield [question]
            while question.deferred:
                if not self._seeker.began:
                    raise _Deferred
                yield [question]
            self.claimed += question.claimed
            counts, used_up = question.counts, question.used_up
            closed |= used_up
            left -= sum(counts)
            full = [count == wanted for count, wanted in zip(counts, dealt.counts, strict=True)]
            taken = dealt.taken if full[dealt.last] else 0
            if counts[dealt.last]:
                self._served, self._share_taken = ring[dealt.last].key, taken
            # A share that gave less than its deal has no more due jobs, unless a model was used up.
            again = [
                index
                for index in dealt.order()
                if full[index]
                or index in question.again
                or used_up & {lanes.model_of(spot.lane) for spot in ring[index].spots}
            ]
            ring = [share for index in again if (share := _without(ring[index], used_up, lanes)).spots]
        return slots - left, closed

    def ended(self) -> list[EndOfTurn]:
        """Where the next claim continues; nothing if nothing was claimed."""
        if not self.claimed or self._served is None:
            return []
        return [EndOfTurn(self._seeker, self.name, *self._served, self.taken, self._share_taken)]

    def _shares(self, limit: int) -> Step[list[Share]]:
        """Shares with due jobs, in the order of their turns.

        The share that was served last comes last, or first if its turn was interrupted.
        """
        first: tuple[UUID, str] = (WHOLE_TENANT, "")
        after = self._served is not None and not self._share_taken
        question = NextShares(self._seeker, limit, self.name, self._priorities[0], self._served or first, after)
        yield [question]
        return question.found


def _without(share: Share, models: set[str], lanes: Lanes) -> Share:
    """The share without the lanes of these models."""
    return replace(share, spots=tuple(spot for spot in share.spots if lanes.model_of(spot.lane) not in models))
