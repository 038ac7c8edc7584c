"""Commands on the machine of the server: its configuration and its database."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Self
from urllib.parse import urlsplit
from uuid import UUID

from producer.campaigns.status import (
    CampaignStatus,
    campaign_page,
    cancel_campaign,
    change_campaign,
    pause_campaign,
)
from producer.cli.doors.door import Action, JobDetail, VideoPlace
from producer.cli.doors.here.names import check_campaign, check_tenant
from producer.cli.shared.access import job_id_of
from producer.client import Producer
from producer.intake.terms import Terms
from producer.operator_actions import job_actions
from producer.operator_actions.account_status import account_statuses
from producer.operator_actions.playable import want_playable
from producer.operator_actions.waiting import why_it_waits, with_obstacles
from seedance.account import account_named
from storage.addresses.own import is_loopback
from storage.bucket.keys import bucket_and_name
from storage.bucket.objects import Objects
from storage.bucket.requests import StoreUnavailable
from storage.jobs import history, queries
from storage.jobs.queries import JobFilter
from storage.jobs.records import JobView
from storage.jobs.states import JobState
from storage.settings import Settings

_LINK_S = 3600.0
_INSIDE = re.compile(r"[^.:]+|.+\.(?:svc|cluster\.local)")
"""Names that mean nothing outside a Compose file or a cluster."""
_MOST_AT_ONCE = 100_000
_PAGE = 100
"""Campaigns of one transaction."""


class DatabaseDoor:
    """A door on a producer."""

    def __init__(self, producer: Producer) -> None:
        self.producer = producer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.producer.close()

    def job_ids(self, texts: Sequence[str]) -> list[UUID]:
        """As `Door`."""
        with self.producer.database.begin() as conn:
            return list(dict.fromkeys(job_id_of(conn, self.producer.tenant, text) for text in texts))

    def detail(self, job_id: UUID) -> JobDetail:
        """As `Door`."""
        settings = self.producer.settings
        with self.producer.database.begin() as conn:
            [job] = with_obstacles(conn, settings, [job_actions.get_job(conn, self.producer.tenant, job_id)])
            attempts = history.attempts_of(conn, job_id)
            events = history.events_of(conn, job_id)
            waits = why_it_waits(conn, settings, job)
        return JobDetail(job, attempts, events, waits, self._place(job))

    def unconfirmed(self, campaign: str | None, account: str | None) -> list[UUID]:
        """As `Door`."""
        with self.producer.database.begin() as conn:
            wanted = JobFilter(self.producer.tenant, [JobState.UNCONFIRMED], campaign, account)
            held = queries.page_of_jobs(conn, wanted, limit=_MOST_AT_ONCE)
            if not held:
                check_campaign(conn, self.producer.tenant, campaign)
                if account is not None:
                    account_named(account, self.producer.settings.accounts)
        return [job.id for job in held]

    def enqueue(self, prompt: str, fields: Mapping[str, Any]) -> JobView:
        """As `Door`."""
        return self.producer.enqueue_row({"prompt": prompt, **fields})[0]

    def unfinished(self, ids: Sequence[UUID]) -> int:
        """As `Door`."""
        return self.producer.unfinished(ids)

    def counts(self, ids: Sequence[UUID]) -> Mapping[JobState, int]:
        """As `Door`."""
        return self.producer.counts(ids)

    def cancel(self, job_id: UUID, *, discard: bool) -> JobView:
        """As `Door`."""
        return self.producer.cancel(job_id, discard=discard)

    def retry(self, job_id: UUID) -> JobView:
        """As `Door`."""
        return self.producer.retry(job_id)

    def make_playable(self, job_id: UUID) -> JobView:
        """As `Door`."""
        return self.producer.make_playable(job_id)

    def playable(self, job_id: UUID) -> JobView:
        """As `Door`."""
        with self.producer.database.begin() as conn:
            return want_playable(conn, self.producer.settings, self.producer.tenant, job_id)

    def finalize(self, job_id: UUID, wanted: Mapping[str, Any], *, regenerate: bool) -> JobView:
        """As `Door`."""
        return self.producer.finalize(job_id, regenerate=regenerate, **wanted)

    def resolve(self, job_id: UUID, action: Action, task_id: str | None, *, unchecked: bool) -> JobView:
        """As `Door`."""
        database, tenant = self.producer.database, self.producer.tenant
        if action == "resubmit":
            return job_actions.resubmit(database, tenant, job_id)
        if action == "abandon":
            return job_actions.abandon(database, tenant, job_id)
        if unchecked:
            return job_actions.adopt(database, tenant, job_id, task_id or "")
        # Imported here: it brings the client of gateways, which `reelq jobs list` does without.
        from producer.operator_actions.adoption import adopt_checked

        return adopt_checked(database, self.producer.settings, tenant, job_id, task_id or "")

    def accounts(self) -> list[dict[str, Any]]:
        """As `Door`."""
        with self.producer.database.begin() as conn:
            return account_statuses(conn, self.producer.live.refresh(conn))

    def unusable_accounts(self) -> Mapping[str, str]:
        """As `Door`."""
        with self.producer.database.begin() as conn:
            return dict(self.producer.live.refresh(conn).book.unusable)

    def campaigns(self, limit: int) -> list[dict[str, Any]]:
        """As `Door`."""
        found: list[CampaignStatus] = []
        while len(found) < limit:
            asked = min(limit - len(found), _PAGE)
            with self.producer.database.begin() as conn:  # of each page: it may make rows, and holds their campaigns
                page = campaign_page(conn, self.producer.tenant, found[-1].id if found else None, asked)
            found += page
            if len(page) < asked:
                break
        if not found:
            with self.producer.database.begin() as conn:
                check_tenant(conn, self.producer.tenant)
        return [campaign.as_dict() for campaign in found]

    def change_campaign(self, name: str, terms: Terms) -> Mapping[str, Any]:
        """As `Door`."""
        with self.producer.database.begin() as conn:
            return change_campaign(conn, self.producer.settings, self.producer.tenant, name, terms).as_dict()

    def pause_campaign(self, name: str, *, paused: bool) -> Mapping[str, Any]:
        """As `Door`."""
        with self.producer.database.begin() as conn:
            return pause_campaign(conn, self.producer.tenant, name, paused=paused).as_dict()

    def cancel_campaign(self, name: str, *, discard: bool) -> Mapping[str, int]:
        """As `Door`."""
        return asdict(cancel_campaign(self.producer.database, self.producer.tenant, name, discard=discard))

    def _place(self, job: JobView) -> VideoPlace | None:
        if job.object_key is None:
            return None
        settings = self.producer.settings

        def place(key: str) -> str:
            bucket, name = bucket_and_name(key)
            return f"s3://{bucket or settings.s3_bucket}/{name}"

        try:
            link, note = Objects(settings).link(job.object_key, _LINK_S), link_note(settings)
        except StoreUnavailable as exc:
            link, note = f"no link: {exc}", ""
        playable = None if job.playable_key is None else place(job.playable_key)
        return VideoPlace(place(job.object_key), playable, link, note)


def link_note(settings: Settings) -> str:
    """Where links do not work, if the store has a name of a Compose file or a cluster; "": it has none."""
    host = "" if settings.s3_endpoint_url is None else urlsplit(settings.s3_endpoint_url).hostname or ""
    if settings.s3_public_endpoint_url is not None or is_loopback(host) or not _INSIDE.fullmatch(host):
        return ""
    return f"works only where {host} is known; for others set s3_public_endpoint_url, or use the page or the API"
