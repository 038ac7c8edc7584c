"""`reelq campaign share`: links to a campaign's videos that need no key."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import typer

from producer.campaigns.results.sharing import share_url
from producer.campaigns.status import campaign_status
from producer.cli.shared.access import settings_of
from producer.cli.shared.data_dir import directory
from producer.cli.shared.options import AsJson, CampaignName, DataDir, OfTenant
from producer.cli.shared.output import print_json, print_table, say
from seedance.problems import InvalidInput, Problem
from storage import decisions
from storage.campaigns import shares
from storage.campaigns.controls import subject_of
from storage.database import connect
from storage.settings import data_dir as data_directory
from storage.settings import read_stack
from storage.tenants.tenants import DEFAULT_TENANT


def share(
    ctx: typer.Context,
    name: CampaignName,
    days: Annotated[float, typer.Option(min=0.01, max=shares.MAX_DAYS, help="How many days the link works.")] = 7.0,
    approved_only: Annotated[
        bool, typer.Option("--approved-only", help="Show approved videos only, not all that are not rejected.")
    ] = False,
    listed: Annotated[bool, typer.Option("--list", help="List the links, without their tokens.")] = False,
    revoke: Annotated[UUID | None, typer.Option(metavar="ID", help="End this link now.", show_default=False)] = None,
    tenant: OfTenant = DEFAULT_TENANT,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Make a link to a page with a campaign's videos. It needs no key. It can change nothing, and expires."""
    settings = settings_of(ctx, data_dir)
    with connect(settings.require_database_url()) as conn:
        campaign_id = campaign_status(conn, tenant, name).id
        if listed:
            found = shares.shares_of(conn, campaign_id)
        elif revoke is not None:
            if not shares.revoke_share(conn, campaign_id, revoke):
                raise InvalidInput([Problem("--revoke", f"{name} has no link {revoke}; `--list` shows them")])
            decisions.record(conn, tenant, "campaign.share_revoked", subject_of(campaign_id), share=str(revoke))
        else:
            made, token = shares.create_share(conn, campaign_id, days, approved_only=approved_only)
            decisions.record(conn, tenant, "campaign.shared", subject_of(campaign_id), share=str(made.id), days=days)
    if listed:
        if as_json:
            print_json(found)
            return
        columns = ("ID", "MADE", "BY", "EXPIRES", "REVOKED", "SHOWS")
        print_table(columns, [_line(item) for item in found])
    elif revoke is not None:
        say(f"the link {revoke} has ended")
    else:
        base = settings.public_url or read_stack(data_directory(directory(ctx, data_dir))).get("api")
        url = share_url(base, token)
        if as_json:
            print_json({"id": made.id, "url": url, "expires_at": made.expires_at})
            return
        typer.echo(url)
        if base is None:
            say("add the address of the API before it, or set public_url")
        say(f"it works until {made.expires_at:%Y-%m-%d %H:%M} UTC; end it with --revoke {made.id}")


def _line(item: shares.Share) -> tuple[object, ...]:
    ended = "" if item.revoked_at is None else f"{item.revoked_at:%Y-%m-%d %H:%M}"
    what = "approved" if item.approved_only else "not rejected"
    return (
        item.id,
        f"{item.created_at:%Y-%m-%d %H:%M}",
        item.created_by,
        f"{item.expires_at:%Y-%m-%d %H:%M}",
        ended,
        what,
    )
