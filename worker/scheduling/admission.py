"""Claim the jobs that an account may submit within its grant."""

from __future__ import annotations

from storage.admission.circuit_breaker import WHOLE_ACCOUNT
from storage.admission.fair_share import FairShare
from storage.admission.grants import Grant
from storage.admission.queued_claims import Which
from storage.database import Connection
from storage.leases import Claimed

SUBMIT_BATCH = 50


def claim_for(conn: Connection, grant: Grant, limit: int, lease_s: float) -> list[Claimed]:
    """Lease up to `limit` jobs for a grant.

    A half-open breaker is tried with one job that came back before, and with jobs that did not. So neither jobs that
    fail by their own fault nor a gateway that refuses each job once can keep it from closing.
    """
    share = FairShare(conn, grant, lease_s)
    limit = min(limit, grant.slots)
    if WHOLE_ACCOUNT in grant.half_open:
        claimed = share.claim(1, which=Which.TRIED) if limit > 1 else []
        claimed += share.claim(limit - len(claimed), which=Which.FRESH)
        return claimed + share.claim(limit - len(claimed))
    claimed = []
    for model in sorted(grant.half_open):
        if share.most.get(model, 0) > 1 and len(claimed) < limit:
            claimed += share.claim(1, which=Which.TRIED, model=model)
    return claimed + share.claim(limit - len(claimed))
