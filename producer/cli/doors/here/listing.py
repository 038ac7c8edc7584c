"""`reelq jobs list` on the machine of the server."""

from __future__ import annotations

from producer.cli.doors.here.names import check_campaign
from producer.operator_actions.waiting import with_obstacles
from storage.accounts.live import with_accounts
from storage.database import connect
from storage.jobs import queries
from storage.jobs.queries import JobFilter
from storage.jobs.records import JobView
from storage.jobs.states import JobState
from storage.revisions import check_schema
from storage.settings import Settings


def jobs_here(
    settings: Settings, tenant: str, state: JobState | None, campaign: str | None, limit: int
) -> list[JobView]:
    """Jobs of a tenant, newest first, in the database.

    Raises:
        DatabaseUnavailable: it does not answer or is not up to date.
        InvalidInput, CampaignNotFound: there is no such tenant, or it has no such campaign.
    """
    wanted = JobFilter(tenant, None if state is None else [state], campaign)
    with connect(settings.require_database_url()) as conn:
        check_schema(conn)
        found = queries.page_of_jobs(conn, wanted, limit=limit)
        if not found:
            check_campaign(conn, tenant, campaign)
        return with_obstacles(conn, with_accounts(conn, settings).for_tenant(tenant), found)
