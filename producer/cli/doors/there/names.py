"""Names in the filters of lists, as at the server: nothing was found, perhaps because nothing has that name."""

from __future__ import annotations

from reelq_client import Reelq

from producer.cli.doors.there.translated import translated
from seedance.account import unknown_account


def check_campaign(reelq: Reelq, campaign: str) -> None:
    """Check a campaign of which nothing was found.

    Raises:
        CampaignNotFound: the key's tenant has no such campaign.
    """
    with translated(campaign):
        reelq.campaigns.get(campaign)


def check_account(reelq: Reelq, account: str) -> None:
    """The same of an account.

    Raises:
        InvalidInput: the tenant has no such account.
    """
    with translated():
        names = [item.name for item in reelq.capabilities.list().accounts]
    if account not in names:
        raise unknown_account(account, names)
