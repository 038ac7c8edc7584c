"""Claim the jobs that accounts may submit within their grants."""

from __future__ import annotations

from collections.abc import Sequence

from storage.admission.circuit_breaker import WHOLE_ACCOUNT
from storage.admission.claiming import claim
from storage.admission.fair_share import FairShare
from storage.admission.grants import Grant
from storage.admission.queue.queue_memory import QueueMemory
from storage.admission.seekers import Which
from storage.admission.side_by_side import Step, together
from storage.database import Connection
from storage.leases import Claimed

SUBMIT_BATCH = 50


def claim_for(
    conn: Connection, grants: Sequence[Grant], limit: int, lease_s: float, memory: QueueMemory | None = None
) -> list[Claimed]:
    """Lease up to `limit` jobs for grants, together. What several accounts could get goes to the first of them.
    `memory`: what the scheduler remembers of the queue from round to round."""
    claimed: list[Claimed] = []
    known = memory or QueueMemory()
    known.begin(conn)
    waiting = []
    for grant in grants:
        share = FairShare(grant)
        waiting.append((grant, share, min(grant.slots, known.most_for(share.seeker()))))
    while waiting and len(claimed) < limit:
        left = limit - len(claimed)
        dealt = []
        for _, _, slots in waiting:
            dealt.append(min(slots, left))
            left -= dealt[-1]
        asked = zip(waiting, dealt, strict=True)
        steps = together([_claim_of(grant, share, most) for (grant, share, _), most in asked])
        found = claim(conn, steps, lease_s, known)
        claimed += [item for items in found for item in items]
        # What these have left goes to those that could use more.
        waiting = [
            (grant, share, slots - most)
            for (grant, share, slots), most, items in zip(waiting, dealt, found, strict=True)
            if most < slots and len(items) == most
        ]
    return claimed


def _claim_of(grant: Grant, share: FairShare, limit: int) -> Step[list[Claimed]]:
    """Lease up to `limit` jobs for a grant.

    A half-open breaker is tried with one job that came back before, and with jobs that did not. So neither jobs that
    fail by their own fault nor a gateway that refuses each job once can keep it from closing.
    """
    if not grant.half_open:
        return (yield from share.claim(limit))
    if WHOLE_ACCOUNT in grant.half_open:
        tries = [share.claim(1, which=Which.TRIED)] if limit > 1 else []
        tries.append(share.claim(limit - len(tries), which=Which.FRESH))
        claimed = [item for found in (yield from together(tries)) for item in found]
        return claimed + (yield from share.claim(limit - len(claimed)))
    models = [model for model in sorted(grant.half_open) if share.lanes.most.get(model, 0) > 1][:limit]
    tries = [share.claim(1, which=Which.TRIED, model=model) for model in models]
    *tried, others = yield from together([*tries, share.claim(limit - len(tries))])
    claimed = [item for found in (*tried, others) for item in found]
    if len(others) == limit - len(tries):
        claimed += yield from share.claim(limit - len(claimed))  # in place of jobs that did not come back
    return claimed
