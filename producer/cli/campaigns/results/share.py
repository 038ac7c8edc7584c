"""`reelq campaign share`: links to a campaign's videos that need no key."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated
from uuid import UUID

import typer

from producer.cli.doors.results import open_results
from producer.cli.shared.options import AsJson, CampaignName, DataDir, OfTenant
from producer.cli.shared.output import print_json, print_table, say
from seedance.problems import InvalidInput, Problem
from storage.campaigns import shares
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
    door = open_results(ctx, data_dir, tenant)
    if listed:
        found = door.shares(name)
        if as_json:
            print_json([_shown(item) for item in found])
            return
        columns = ("ID", "MADE", "BY", "EXPIRES", "REVOKED", "SHOWS")
        print_table(columns, [_line(item) for item in found])
    elif revoke is not None:
        if not door.revoke_share(name, revoke):
            raise InvalidInput([Problem("--revoke", f"{name} has no link {revoke}; `--list` shows them")])
        say(f"the link {revoke} has ended")
    else:
        made, url = door.share(name, days, approved_only=approved_only)
        if as_json:
            print_json({"id": made.id, "url": url, "expires_at": made.expires_at})
            return
        typer.echo(url)
        if url.startswith("/"):
            say("add the address of the API before it, or set public_url")
        say(f"it works until {made.expires_at:%Y-%m-%d %H:%M} UTC; end it with --revoke {made.id}")


def _shown(item: shares.Share) -> dict[str, object]:
    hidden = ("campaign_id", "tenant", "campaign")
    return {name: value for name, value in asdict(item).items() if name not in hidden}


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
