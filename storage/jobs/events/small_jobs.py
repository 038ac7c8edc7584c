"""A job as it stands beside its event: what most receivers need, without the request, which can be megabytes long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from psycopg.rows import class_row

from storage.database import Connection


@dataclass(frozen=True, slots=True)
class SmallJob:
    """Some columns of `jobs`, the campaign's name, and whether there is a video."""

    id: UUID
    tenant: str
    state: str
    campaign: str | None
    idempotency_key: str | None
    priority: int
    tags: list[str]
    metadata: dict[str, Any]
    account: str | None
    gateway: str | None
    model: str | None
    attempt: int
    error: dict[str, Any] | None
    cost: dict[str, Any] | None
    seed: int | None
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None
    has_video: bool

    def as_document(self) -> dict[str, Any]:
        """As one JSON object, with its links."""
        document = asdict(self)
        del document["has_video"], document["tenant"]
        own = f"/v1/jobs/{self.id}"
        video = {"video": f"{own}/video"} if self.has_video else {}
        return document | {"links": {"self": own, **video}}


# The tenant as an expression: see `storage.jobs.queries`.
_SMALL: LiteralString = """
SELECT j.id, j.tenant, j.state, c.name AS campaign, j.idempotency_key, j.priority, j.tags, j.metadata, j.account,
       j.gateway, j.model, j.attempt, j.error, j.cost, j.seed, j.created_at, j.updated_at, j.finished_at,
       j.state = 'succeeded' AND j.deleted_at IS NULL AND j.object_key IS NOT NULL AS has_video
FROM jobs j LEFT JOIN campaigns c ON c.id = j.campaign_id
WHERE j.id = ANY(%(ids)s) AND j.tenant || '' = ANY(%(tenants)s)
"""


def small_jobs(conn: Connection, ids: Sequence[UUID], tenants: Sequence[str]) -> dict[UUID, SmallJob]:
    """The jobs with these ids that belong to these tenants, as they are now."""
    if not ids:
        return {}
    with conn.cursor(row_factory=class_row(SmallJob)) as cursor:
        return {job.id: job for job in cursor.execute(_SMALL, {"ids": list(ids), "tenants": list(tenants)})}
