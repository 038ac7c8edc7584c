"""What commands ask and decide, whichever way they go: the database, or the API of a server elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self
from uuid import UUID

if TYPE_CHECKING:  # an API elsewhere needs none of it, and it takes a third of the time of a command
    from producer.intake.terms import Terms
    from producer.operator_actions.waiting import WaitReason
    from storage.jobs.records import JobView
    from storage.jobs.states import JobState

Action = Literal["adopt", "resubmit", "abandon"]


@dataclass(frozen=True, slots=True)
class VideoPlace:
    """Where a video lies; `link`: a link that needs no key, or why there is none; `note`: where it does not work, and
    what to do about that, "": it works wherever the store is reached."""

    video: str
    playable: str | None
    link: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class JobDetail:
    """Everything about one job."""

    job: JobView
    attempts: Sequence[Mapping[str, Any]] = ()
    events: Sequence[Mapping[str, Any]] = ()
    waits: Sequence[WaitReason] = field(default=())
    place: VideoPlace | None = None


class Door(Protocol):
    """Every method raises `InvalidInput`, `JobNotFound`, `CampaignNotFound` and `NotPossible` as `Producer` does."""

    def __enter__(self) -> Self:
        """Use it in a `with`; that closes it."""
        ...

    def __exit__(self, *exc: object) -> None:
        """Close it."""

    def job_ids(self, texts: Sequence[str]) -> list[UUID]:
        """The jobs of ids or of their first characters, each one once."""
        ...

    def detail(self, job_id: UUID) -> JobDetail:
        """Everything about one job."""
        ...

    def unconfirmed(self, campaign: str | None, account: str | None) -> list[UUID]:
        """The jobs about which a person must decide.

        Raises:
            InvalidInput, CampaignNotFound: there are none, and no account or campaign has that name.
        """
        ...

    def enqueue(self, prompt: str, fields: Mapping[str, Any]) -> JobView:
        """Store one job; local files are uploaded."""
        ...

    def unfinished(self, ids: Sequence[UUID]) -> int:
        """How many of these jobs are neither terminal nor held for a person."""
        ...

    def counts(self, ids: Sequence[UUID]) -> Mapping[JobState, int]:
        """How many of these jobs are in each state."""
        ...

    def cancel(self, job_id: UUID, *, discard: bool) -> JobView:
        """Cancel a job."""
        ...

    def retry(self, job_id: UUID) -> JobView:
        """Enqueue a job again."""
        ...

    def make_playable(self, job_id: UUID) -> JobView:
        """Make a copy of a job's video that every browser plays, also if that has failed before."""
        ...

    def playable(self, job_id: UUID) -> JobView:
        """The same job, while its copy is made."""
        ...

    def finalize(self, job_id: UUID, wanted: Mapping[str, Any], *, regenerate: bool) -> JobView:
        """Make the final of a draft."""
        ...

    def resolve(self, job_id: UUID, action: Action, task_id: str | None, *, unchecked: bool) -> JobView:
        """Decide about an unconfirmed job."""
        ...

    def accounts(self) -> list[dict[str, Any]]:
        """The accounts and their state."""
        ...

    def unusable_accounts(self) -> Mapping[str, str]:
        """The accounts that cannot be used, such as those whose key cannot be decrypted, and why."""
        ...

    def campaigns(self, limit: int) -> list[dict[str, Any]]:
        """The newest campaigns, each as its status in JSON."""
        ...

    def change_campaign(self, name: str, terms: Terms) -> Mapping[str, Any]:
        """Set a campaign's terms; returns its status as JSON."""
        ...

    def pause_campaign(self, name: str, *, paused: bool) -> Mapping[str, Any]:
        """Pause or continue a campaign; returns its status as JSON."""
        ...

    def cancel_campaign(self, name: str, *, discard: bool) -> Mapping[str, int]:
        """Cancel a campaign's jobs: how many are `cancelled`, `asked` and `refused`."""
        ...
