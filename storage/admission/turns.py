"""Record where the turns of tenants and shares end, so that the next claim continues there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import LiteralString
from uuid import UUID

from storage.admission.seekers import Seeker
from storage.admission.side_by_side import Question
from storage.database import Connection

# Tenants that are recorded together keep their order: the one that was recorded last is served last.
_SERVED: LiteralString = """
INSERT INTO account_turns AS t (account, tenant, campaign, pin, taken, share_taken, served_at)
SELECT account, tenant, campaign, pin, taken, share_taken,
       CASE WHEN taken = 0 THEN clock_timestamp() + place * interval '1 microsecond' ELSE to_timestamp(0) END
FROM unnest(%(accounts)s::text[], %(tenants)s::text[], %(campaigns)s::uuid[], %(pins)s::text[], %(taken)s::int[],
            %(share_taken)s::int[])
    WITH ORDINALITY AS i(account, tenant, campaign, pin, taken, share_taken, place)
ON CONFLICT (account, tenant) DO UPDATE SET
    campaign = excluded.campaign, pin = excluded.pin, taken = excluded.taken, share_taken = excluded.share_taken,
    served_at = CASE WHEN excluded.taken = 0 THEN excluded.served_at ELSE t.served_at END
"""


@dataclass(slots=True)
class EndOfTurn(Question):
    """A claim is over that has served a tenant, last from the share of `campaign` (all zeros: none) and `pin`.

    `taken`, `share_taken`: the slots that tenant and share have used of turns that are not over; 0: the turn is over.
    """

    is_last = True

    seeker: Seeker
    tenant: str
    campaign: UUID
    pin: str
    taken: int
    share_taken: int


def record_turns(conn: Connection, ended: Sequence[EndOfTurn]) -> None:
    """Record these; the last one counts if an account has served a tenant twice."""
    last = {(end.seeker.account, end.tenant): end for end in ended}
    if last:
        columns = {
            "accounts": [end.seeker.account for end in last.values()],
            "tenants": [end.tenant for end in last.values()],
            "campaigns": [end.campaign for end in last.values()],
            "pins": [end.pin for end in last.values()],
            "taken": [end.taken for end in last.values()],
            "share_taken": [end.share_taken for end in last.values()],
        }
        conn.execute(_SERVED, columns)
