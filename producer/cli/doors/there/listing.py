"""`reelq jobs list` from elsewhere."""

from __future__ import annotations

from reelq_client import Reelq

from producer.cli.doors.there.jobs import as_view
from producer.cli.doors.there.names import check_campaign
from producer.cli.doors.there.pages import first_of
from producer.cli.doors.there.translated import translated
from storage.jobs.records import JobView
from storage.jobs.states import JobState


def jobs_there(reelq: Reelq, state: JobState | None, campaign: str | None, limit: int) -> list[JobView]:
    """Jobs of the key's tenant, newest first.

    Raises:
        CampaignNotFound: the tenant has no such campaign.
    """
    with translated():
        found = first_of(
            limit,
            lambda n, cursor: reelq.jobs.list(
                state=None if state is None else state.value, campaign=campaign, limit=n, cursor=cursor
            ),
        )
    if not found and campaign is not None:
        check_campaign(reelq, campaign)
    return [as_view(job) for job in found]
