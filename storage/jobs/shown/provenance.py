"""Read the facts for the JSON file beside a video: its source, request and cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from psycopg.rows import class_row

from storage.database import Connection


@dataclass(frozen=True, slots=True)
class Provenance:
    """The facts of a generated job; every field is a column of `jobs`, `campaign` is the campaign's name."""

    id: UUID
    tenant: str
    campaign: str | None
    idempotency_key: str | None
    metadata: dict[str, Any]
    tags: list[str]
    gateway: str | None
    model: str | None
    attempt: int
    seed: int | None
    usage: dict[str, Any] | None
    estimate: dict[str, Any] | None
    cost: dict[str, Any] | None
    object_key: str | None
    size_bytes: int | None
    sha256: str | None
    video_format: dict[str, Any] | None
    poster_key: str | None
    submitted_at: datetime | None
    generated_at: datetime | None


_PROVENANCE: LiteralString = """
SELECT j.id, j.tenant, c.name AS campaign, j.idempotency_key, j.metadata, j.tags, j.gateway, j.model, j.attempt, j.seed,
       j.usage, j.estimate, j.cost, j.object_key, j.size_bytes, j.sha256, j.video_format, j.poster_key, j.submitted_at,
       j.generated_at
FROM jobs j LEFT JOIN campaigns c ON c.id = j.campaign_id
WHERE j.id = ANY(%(ids)s)
"""


def provenance_of(conn: Connection, ids: Sequence[UUID]) -> dict[UUID, Provenance]:
    """The facts of these jobs; unknown ids are missing."""
    with conn.cursor(row_factory=class_row(Provenance)) as cursor:
        return {row.id: row for row in cursor.execute(_PROVENANCE, {"ids": list(ids)})}
