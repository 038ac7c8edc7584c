"""Which jobs an account is given, out of its grant."""

from __future__ import annotations

from storage.admission.circuit_breaker import WHOLE_ACCOUNT
from storage.admission.fair_share import FairShare
from storage.admission.grants import Grant
from storage.database import Connection
from storage.jobs.reasons import Reason
from storage.leases import Claimed

SUBMIT_BATCH = 50
TRIED_BEFORE = (
    Reason.ACCOUNT_PROBLEM,
    Reason.MODEL_PROBLEM,
    Reason.NOT_SENT,
    Reason.NOT_SERVED,
    Reason.INPUT_NOT_READY,
    Reason.THROTTLED,
)
"""Reasons of jobs that were sent and came back."""


def claim_for(conn: Connection, grant: Grant, limit: int, lease_s: float) -> list[Claimed]:
    """Lease up to `limit` jobs for a grant.

    What is half open is tried with one job that came back before and with others that did not: neither jobs that fail
    by their own fault nor a gateway that refuses each job once may keep it from the others.
    """
    share = FairShare(conn, grant, lease_s)
    limit = min(limit, grant.slots)
    if WHOLE_ACCOUNT in grant.half_open:
        claimed = share.claim(1, only=TRIED_BEFORE) if limit > 1 else []
        claimed += share.claim(limit - len(claimed), besides=TRIED_BEFORE)
        return claimed + share.claim(limit - len(claimed))
    claimed = []
    for model in sorted(grant.half_open):
        if share.most.get(model, 0) > 1 and len(claimed) < limit:
            claimed += share.claim(1, only=TRIED_BEFORE, model=model)
    return claimed + share.claim(limit - len(claimed))
