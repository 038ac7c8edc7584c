"""The proofs of a campaign: how many wait for a decision, and until when drafts can be made final."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from psycopg.rows import class_row

from storage.campaigns.rows import KEPT, STATE
from storage.database import Connection

_SHOWN_GROUPS, _SHOWN_NUMBERS = 50, 1_000


@dataclass(frozen=True, slots=True)
class ProofCounts:
    """The rows of a campaign that have or had a proof. `running`: the proof is being made or waits; `awaiting_review`:
    it waits for a decision; `expired`: it was a draft, of which no final can be made any more; `finals`: it was
    approved, and another job stands for the row."""

    rows: int
    running: int
    failed: int
    awaiting_review: int
    expired: int
    rejected: int
    finals: int

    def as_dict(self) -> dict[str, Any]:
        """The counts as JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class EndingDrafts:
    """Drafts that wait for a decision and end within one hour, from `ends_at`. `numbers`: of their rows, not all of
    very many."""

    ends_at: datetime
    rows: int
    numbers: Sequence[int]

    def as_dict(self) -> dict[str, Any]:
        """The drafts as JSON."""
        return asdict(self)


_OPEN: LiteralString = f"(r.proof AND {STATE} = 'succeeded' AND r.review = 'open')"
# Each job by its id: PostgreSQL would read all jobs to join those of a large campaign.
_PROOFS: LiteralString = f"""
FROM campaign_rows r CROSS JOIN LATERAL (SELECT * FROM jobs WHERE id = r.job_id OFFSET 0) j
LEFT JOIN LATERAL (SELECT draft_ends_at FROM jobs WHERE id = r.kept_job_id AND {KEPT} OFFSET 0) k ON true
WHERE r.campaign_id = %(campaign)s AND r.final IS NOT NULL
"""  # noqa: S608 - put together from constants
_ENDS_AT: LiteralString = f"(CASE WHEN {KEPT} THEN k.draft_ends_at ELSE j.draft_ends_at END)"
"""When the job that stands for a row can be made final no longer."""
_COUNTS: LiteralString = f"""
SELECT count(*) AS rows,
       count(*) FILTER (WHERE r.proof AND {STATE} NOT IN ('succeeded', 'failed', 'cancelled')) AS running,
       count(*) FILTER (WHERE r.proof AND {STATE} IN ('failed', 'cancelled')) AS failed,
       count(*) FILTER (WHERE {_OPEN} AND coalesce({_ENDS_AT} > now(), true)) AS awaiting_review,
       count(*) FILTER (WHERE {_OPEN} AND {_ENDS_AT} <= now()) AS expired,
       count(*) FILTER (WHERE r.proof AND {STATE} = 'succeeded' AND r.review = 'rejected') AS rejected,
       count(*) FILTER (WHERE NOT r.proof) AS finals
{_PROOFS}
"""
_ENDING: LiteralString = f"""
SELECT min({_ENDS_AT}) AS ends_at, count(*) AS rows, (array_agg(r.number ORDER BY r.number))[:%(shown)s] AS numbers
{_PROOFS} AND {_OPEN} AND {_ENDS_AT} > now()
GROUP BY date_trunc('hour', {_ENDS_AT}) ORDER BY 1 LIMIT %(limit)s
"""
_WAITING: LiteralString = f"""
SELECT count(*) {_PROOFS} AND {_OPEN} AND coalesce({_ENDS_AT} > now(), true) AND r.id = ANY(%(ids)s)
"""


def count_proofs(conn: Connection, campaign_id: UUID) -> ProofCounts | None:
    """How far the proofs of a campaign are; None: it has none."""
    with conn.cursor(row_factory=class_row(ProofCounts)) as cursor:
        found = cursor.execute(_COUNTS, {"campaign": campaign_id}).fetchone()
    return found if found is not None and found.rows else None


def ending_drafts(conn: Connection, campaign_id: UUID) -> list[EndingDrafts]:
    """Drafts that wait for a decision, the soonest to end first."""
    values = {"campaign": campaign_id, "shown": _SHOWN_NUMBERS, "limit": _SHOWN_GROUPS}
    with conn.cursor(row_factory=class_row(EndingDrafts)) as cursor:
        return cursor.execute(_ENDING, values).fetchall()


def awaiting_review(conn: Connection, campaign_id: UUID, row_ids: Sequence[UUID]) -> int:
    """How many of these rows of a campaign have a proof that waits for a decision."""
    row = conn.execute(_WAITING, {"campaign": campaign_id, "ids": list(row_ids)}).fetchone()
    return 0 if row is None else int(row[0])
