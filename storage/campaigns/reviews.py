"""What people decided about the videos of a campaign's rows."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import LiteralString
from uuid import UUID

from storage.actors import current_actor
from storage.database import Connection
from storage.metrics.families import REVIEWS
from storage.metrics.measures import Measures


class Review(StrEnum):
    """What was decided about the version that stands for a row."""

    OPEN = "open"  # nothing yet
    APPROVED = "approved"
    REJECTED = "rejected"  # its video stays, marked as not wanted


_SET: LiteralString = """
UPDATE campaign_rows SET review = %(review)s, reviewed_at = now(), reviewed_by = %(actor)s, review_comment = %(comment)s
WHERE id = ANY(%(ids)s) AND campaign_id = %(campaign)s
"""


def set_reviews(
    conn: Connection, campaign_id: UUID, row_ids: Sequence[UUID], review: Review, comment: str | None = None
) -> int:
    """Store what the current actor decided about rows of a campaign; returns how many rows there are."""
    values = {"review": review, "actor": current_actor(), "comment": comment}
    changed = conn.execute(_SET, values | {"ids": list(row_ids), "campaign": campaign_id}).rowcount
    if changed and review is not Review.OPEN:
        measures = Measures()
        measures.count(REVIEWS, review, by=changed)
        measures.write(conn)
    return changed
