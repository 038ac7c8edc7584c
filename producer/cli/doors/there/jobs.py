"""Commands from elsewhere: the API of a server, and a key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Self
from uuid import UUID

import reelq_client
from pydantic import TypeAdapter
from reelq_client import Reelq
from reelq_client.models.base import Model
from reelq_client.models.campaigns import Campaign

from producer.cli.doors.door import Action, JobDetail, VideoPlace
from producer.cli.doors.there.names import check_account, check_campaign
from producer.cli.doors.there.pages import first_of
from producer.cli.doors.there.translated import translated
from producer.cli.shared.access import MOST_ALIKE, the_job
from producer.intake.pace import PaceTerms
from producer.intake.recipients import BY_TENANT
from producer.intake.terms import Terms
from producer.operator_actions.waiting import WaitReason
from seedance.media import MediaKind, media_kind
from seedance.problems import InvalidInput, Problem
from storage.jobs.records import JobView
from storage.jobs.states import JobState

_JOB = TypeAdapter(JobView)
_SINGLE = ("first_frame", "last_frame")
_LISTS = ("reference_images", "reference_videos", "reference_audios")
_INSTANTS = ("until", "since")
_ID_CHARS = 36
_NO_LIMIT = "none"
_MOST_CAMPAIGNS = 100
"""What the API gives on a page of campaigns at most."""


class ApiDoor:
    """A door on a client."""

    def __init__(self, reelq: Reelq) -> None:
        self._reelq = reelq

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._reelq.close()

    def job_ids(self, texts: Sequence[str]) -> list[UUID]:
        """As `Door`."""
        return list(dict.fromkeys(the_job(text, self._beginning) for text in texts))

    def detail(self, job_id: UUID) -> JobDetail:
        """As `Door`."""
        with translated(job_id):
            found = self._reelq.jobs.get(job_id)
            attempts = self._reelq.jobs.attempts(job_id)
            events = self._reelq.jobs.timeline(job_id)
        shown = [{name: getattr(item, name) for name in type(item).model_fields} for item in attempts.data]
        waits = [_wait(item.code, item.values) for item in attempts.waits]
        timeline = [_members(item, without="job_id") for item in events.data]
        return JobDetail(as_view(found), shown, timeline, waits, self._place(found))

    def unconfirmed(self, campaign: str | None, account: str | None) -> list[UUID]:
        """As `Door`."""
        with translated():
            found = self._reelq.jobs.iterate(state="unconfirmed", campaign=campaign)
            held = [job.id for job in found if account is None or job.account == account]
        if not held and campaign is not None:
            check_campaign(self._reelq, campaign)
        if not held and account is not None:
            check_account(self._reelq, account)
        return held

    def enqueue(self, prompt: str, fields: Mapping[str, Any]) -> JobView:
        """As `Door`."""
        with translated():
            return as_view(self._reelq.jobs.create(prompt, **_with_paths(fields)))

    def unfinished(self, ids: Sequence[UUID]) -> int:
        """As `Door`."""
        with translated():
            found = [self._reelq.jobs.get(job_id) for job_id in ids]
        return sum(not (job.terminal or job.held) for job in found)

    def counts(self, ids: Sequence[UUID]) -> Mapping[JobState, int]:
        """As `Door`."""
        with translated():
            return Counter(JobState(self._reelq.jobs.get(job_id).state) for job_id in ids)

    def cancel(self, job_id: UUID, *, discard: bool) -> JobView:
        """As `Door`."""
        with translated(job_id):
            return as_view(self._reelq.jobs.cancel(job_id, discard=discard))

    def retry(self, job_id: UUID) -> JobView:
        """As `Door`."""
        with translated(job_id):
            return as_view(self._reelq.jobs.retry(job_id))

    def make_playable(self, job_id: UUID) -> JobView:
        """As `Door`."""
        with translated(job_id):
            return as_view(self._reelq.jobs.make_playable(job_id))

    def playable(self, job_id: UUID) -> JobView:
        """As `Door`."""
        return self.make_playable(job_id)

    def finalize(self, job_id: UUID, wanted: Mapping[str, Any], *, regenerate: bool) -> JobView:
        """As `Door`."""
        with translated(job_id):
            return as_view(self._reelq.jobs.finalize(job_id, regenerate=regenerate, **wanted))

    def resolve(self, job_id: UUID, action: Action, task_id: str | None, *, unchecked: bool) -> JobView:
        """As `Door`."""
        with translated(job_id):
            return as_view(self._reelq.jobs.resolve(job_id, action, task_id=task_id, unchecked=unchecked))

    def accounts(self) -> list[dict[str, Any]]:
        """As `Door`."""
        with translated():
            found = self._reelq.accounts.list().accounts
        return [_members(item) | {"models": [_members(model) for model in item.models]} for item in found]

    def unusable_accounts(self) -> Mapping[str, str]:
        """As `Door`."""
        with translated():
            return self._reelq.accounts.list().unusable

    def campaigns(self, limit: int) -> list[dict[str, Any]]:
        """As `Door`."""
        with translated():
            found = first_of(
                limit, lambda n, cursor: self._reelq.campaigns.list(limit=min(n, _MOST_CAMPAIGNS), cursor=cursor)
            )
        return [_status(campaign) for campaign in found]

    def change_campaign(self, name: str, terms: Terms) -> Mapping[str, Any]:
        """As `Door`."""
        budget = _NO_LIMIT if terms.no_budget else None
        if terms.budget is not None:
            budget = f"{terms.budget.amount} {terms.budget.currency}"
        pace, notify = _pace(terms.pace), _notify(terms)
        with translated(name):
            changed = self._reelq.campaigns.update(name, budget=budget, weight=terms.weight, notify=notify, **pace)
            return _status(changed)

    def pause_campaign(self, name: str, *, paused: bool) -> Mapping[str, Any]:
        """As `Door`."""
        decide = self._reelq.campaigns.pause if paused else self._reelq.campaigns.resume
        with translated(name):
            return _status(decide(name))

    def cancel_campaign(self, name: str, *, discard: bool) -> Mapping[str, int]:
        """As `Door`."""
        with translated(name):
            done = self._reelq.campaigns.cancel(name, discard=discard)
        return {"cancelled": done.cancelled, "asked": done.asked, "refused": done.refused}

    def _beginning(self, prefix: str) -> list[UUID]:
        with translated():
            return [job.id for job in self._reelq.jobs.list(id_prefix=prefix[:_ID_CHARS], limit=MOST_ALIKE).data]

    def _place(self, job: reelq_client.Job) -> VideoPlace | None:
        if job.object_key is None or "video" not in job.links:
            return None
        try:
            link = self._reelq.jobs.video(job.id).link() or job.video_url or ""
        except reelq_client.ReelqError as exc:
            link = f"no link: {exc}"
        return VideoPlace(job.object_key, job.playable_key, link)


def as_view(job: reelq_client.Job) -> JobView:
    """A job of the API as that of the database."""
    shown = job.model_dump(mode="json", include=set(reelq_client.Job.model_fields) - {"links"})
    if job.error is not None:
        shown["error"] = job.error.model_dump(mode="json", exclude_unset=True)
    return _JOB.validate_python(shown)


def _members(item: Model, without: str = "") -> dict[str, Any]:
    return {name: getattr(item, name) for name in type(item).model_fields if name != without}


def _status(campaign: Campaign) -> dict[str, Any]:
    return campaign.model_dump(include=set(Campaign.model_fields) - {"links"})


def _pace(pace: PaceTerms) -> Any:
    """What to set, as the client takes it; "none" takes one away."""
    found: dict[str, Any] = {}
    if pace.start_at is not None:
        found["start_at"] = pace.start_at.value or _NO_LIMIT
    if pace.max_concurrent is not None:
        found["max_concurrent"] = pace.max_concurrent.value or _NO_LIMIT
    if pace.quiet is not None:
        quiet = pace.quiet.value
        found |= {"quiet_hours": _NO_LIMIT} if quiet is None else {"quiet_hours": quiet.text, "time_zone": quiet.zone}
    return found


def _notify(terms: Terms) -> list[str] | None:
    """The recipients as the API takes them; None: they stay."""
    if terms.notify is None:
        return None
    return [BY_TENANT] if terms.notify.addresses is None else list(terms.notify.addresses)


def _wait(code: Any, values: Mapping[str, Any]) -> WaitReason:
    """A reason; instants are text in JSON."""
    instants = {name: datetime.fromisoformat(values[name]) for name in _INSTANTS if isinstance(values.get(name), str)}
    return WaitReason(code, {**values, **instants})


def _with_paths(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields with local files as paths, which the client uploads."""
    found = dict(fields)
    for name in _SINGLE:
        if name in found:
            found[name] = _path_or_url(name, found[name])
    for name in _LISTS:
        if name in found:
            found[name] = [_path_or_url(f"{name}[{at}]", value) for at, value in enumerate(found[name])]
    return found


def _path_or_url(name: str, value: str) -> str | Path:
    if media_kind(value) is not MediaKind.PATH:
        return value
    path = Path(value)
    if not path.is_file():
        why = "is a directory, not a file" if path.is_dir() else "does not exist"
        raise InvalidInput([Problem(name, f"{path} {why}")])
    return path
