"""A campaign as a whole, by its rows: states, reviews, what it waits for, reasons with advice, money."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from producer.campaigns.reasons import ReasonGroup, reasons_of
from producer.campaigns.status import CampaignStatus, campaign_status
from producer.operator_actions.standstill import Standstill, standstill_of
from producer.operator_actions.waiting import waiting_for
from storage.campaigns.controls import subject_of
from storage.campaigns.proofs import EndingDrafts, ProofCounts, count_proofs, ending_drafts
from storage.campaigns.rows import RowCounts, count_rows
from storage.database import Connection
from storage.decisions import Decision, list_decisions
from storage.jobs.reasons import Reason
from storage.settings import Settings

MOST_DECISIONS = 100


@dataclass(frozen=True, slots=True)
class Overview:
    """`waiting_for`: how many rows wait in the queue, or for a decision about their proofs, by reason. `proofs`: how
    far proofs are, None: there are none; `ending`: until when drafts that wait for a decision can be made final."""

    status: CampaignStatus
    counts: RowCounts
    waiting_for: Mapping[str, int]
    reasons: Sequence[ReasonGroup]
    decisions: Sequence[Decision]
    """Who decided what about it, newest first, at most `MOST_DECISIONS`."""
    proofs: ProofCounts | None = None
    ending: Sequence[EndingDrafts] = ()
    standstill: Sequence[Standstill] = ()
    """Why nothing of it goes on before a person acts; empty: something does, or nothing waits."""

    def as_dict(self) -> dict[str, Any]:
        """The overview as JSON; `total`, `finished` and `counts` are rows too."""
        status = self.status.as_dict()
        return {
            "campaign": status.pop("name"),
            "rows": self.counts.rows,
            "sheet_rows": self.counts.sheet_rows,
            "states": self.counts.states,
            "reviews": self.counts.reviews,
            "waiting_for": self.waiting_for,
            "reasons": [group.as_dict() for group in self.reasons],
            "decisions": [
                {"at": item.at, "what": item.what, "actor": item.actor, "detail": item.detail}
                for item in self.decisions
            ],
            "proofs": None if self.proofs is None else self.proofs.as_dict(),
            "ending_drafts": [group.as_dict() for group in self.ending],
            "standstill": [asdict(why) for why in self.standstill],
            **status,
        }


def overview_of(conn: Connection, settings: Settings, tenant: str, name: str) -> Overview:
    """The overview of a tenant's campaign.

    Raises:
        CampaignNotFound: the tenant has no such campaign.
    """
    status = campaign_status(conn, tenant, name)
    waits = waiting_for(conn, settings, status.id, paused=status.paused_at is not None)
    proofs = count_proofs(conn, status.id) if status.proof else None
    ending = ending_drafts(conn, status.id) if proofs is not None else []
    if proofs is not None and proofs.awaiting_review:
        waits[str(Reason.AWAITING_REVIEW)] = proofs.awaiting_review
    reasons = reasons_of(conn, status.id, name, waits)
    decided = list_decisions(conn, tenant, subject_of(status.id), limit=MOST_DECISIONS)
    still = standstill_of(conn, settings, tenant, name)
    return Overview(status, count_rows(conn, status.id), waits, reasons, decided, proofs, ending, still)
