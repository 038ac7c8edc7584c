"""Names in the filters of lists: nothing was found, perhaps because nothing has that name."""

from __future__ import annotations

from producer.errors import CampaignNotFound
from seedance.problems import InvalidInput, Problem
from storage.campaigns.controls import find_campaign
from storage.database import Connection
from storage.tenants.tenants import DEFAULT_TENANT, list_tenants


def check_tenant(conn: Connection, tenant: str | None) -> None:
    """Check a tenant of which nothing was found; None: none was named.

    Raises:
        InvalidInput: there is no such tenant.
    """
    if tenant not in (None, DEFAULT_TENANT) and not list_tenants(conn, tenant):
        raise InvalidInput([Problem("--tenant", f"there is no tenant {tenant!r}; see `reelq tenants list`")])


def check_campaign(conn: Connection, tenant: str, campaign: str | None) -> None:
    """The same of a campaign of a tenant.

    Raises:
        InvalidInput: there is no such tenant.
        CampaignNotFound: the tenant has no such campaign.
    """
    check_tenant(conn, tenant)
    if campaign is not None and find_campaign(conn, tenant, campaign) is None:
        raise CampaignNotFound(campaign)
