"""Jobs as they are shown, right after they were stored and in the same transaction: without reading them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import LiteralString
from uuid import UUID

from storage.database import Connection
from storage.jobs.queries import REASON
from storage.jobs.records import JobView, NewJob
from storage.jobs.states import JobState
from storage.jsonb import dumps

# The reason is the same for all jobs of a campaign with the same price.
_REASONS: LiteralString = f"""
SELECT j.number, {REASON}, now() FROM (
    SELECT r.*, 'queued' AS state, NULL AS account, NULL AS reason FROM jsonb_to_recordset(%(groups)s::jsonb) AS r(
        number int, tenant text, campaign_id uuid, price_currency text, least_price numeric)
) j ORDER BY j.number
"""  # noqa: S608 - put together from constants


class FreshViews:
    """Views of jobs that a transaction stores. `campaign`: the name of their campaign.

    `make`, if it is called, makes them in advance, as of jobs that nothing keeps waiting: most are.
    """

    def __init__(self, campaign: str | None) -> None:
        self._campaign = campaign
        self._made: dict[UUID, JobView] = {}
        self._now: datetime | None = None

    def begin(self, conn: Connection) -> None:
        """Forget another transaction, and ask what time it is in this one. Before `make`."""
        self._made = {}
        [self._now] = conn.execute("SELECT now()").fetchone() or [None]

    def make(self, jobs: Sequence[NewJob]) -> None:
        """Make the views of jobs that are being stored, of which some may turn out to be known; the database is not
        asked."""
        now = self._now
        if now is not None:
            self._made.update((job.id, _as_queued(job, self._campaign, None, now)) for job in jobs if _is_plain(job))

    def of(self, conn: Connection, jobs: Sequence[NewJob]) -> dict[UUID, JobView]:
        """The views of these jobs, which this transaction has stored, by id. Those whose times only the database knows
        are left out: finals, jobs that are kept back, deadlines in seconds."""
        plain = [job for job in jobs if _is_plain(job)]
        if not plain:
            return {}
        groups: dict[tuple[str, UUID | None, str, float], int] = {}
        number_of = [
            groups.setdefault((job.tenant, job.campaign_id, job.price_currency, job.least_price), len(groups))
            for job in plain
        ]
        rows = [
            {"number": number, "tenant": of[0], "campaign_id": of[1], "price_currency": of[2], "least_price": of[3]}
            for of, number in groups.items()
        ]
        reasons = conn.execute(_REASONS, {"groups": dumps(rows)}).fetchall()
        right = [row[1:] == (None, self._now) for row in reasons]
        return {
            job.id: (self._made.get(job.id) if right[number] else None)
            or _as_queued(job, self._campaign, *reasons[number][1:])
            for job, number in zip(plain, number_of, strict=True)
        }


def _is_plain(job: NewJob) -> bool:
    return job.draft is None and not job.kept_back and job.deadline_s is None


def _as_queued(job: NewJob, campaign: str | None, reason: str | None, now: datetime) -> JobView:
    return JobView(
        id=job.id,
        state=JobState.QUEUED,
        campaign=campaign,
        idempotency_key=job.idempotency_key,
        request=dict(job.request),
        priority=job.priority,
        tags=list(job.tags),
        metadata=dict(job.metadata),
        webhook_url=job.webhook_url,
        account=None,
        account_pin=job.account_pin,
        gateway=None,
        model=None,
        gateway_task_id=None,
        attempt=0,
        polls=0,
        reason=reason,
        error=None,
        usage=None,
        estimate=None if job.estimate is None else dict(job.estimate),
        cost=None,
        seed=None,
        object_key=None,
        playable_key=None,
        poster_key=None,
        last_frame_key=None,
        size_bytes=None,
        sha256=None,
        video_format=None,
        due_at=now,
        deadline_at=None if job.deadline_at is None else job.deadline_at.astimezone(UTC),
        created_at=now,
        updated_at=now,
        submitted_at=None,
        generated_at=None,
        video_expires_at=None,
        finished_at=None,
        cancel_request=None,
        deleted_at=None,
        draft_of=None,
        draft_task_id=None,
        draft_ends_at=None,
        finals=[],
    )
