"""`reelq campaign list`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import typer

from producer.cli.doors.choice import open_door
from producer.cli.shared.formatting import ago, counts_line
from producer.cli.shared.options import AsJson, DataDir, OfTenant
from producer.cli.shared.output import print_json, print_table
from storage.jobs.states import JobState
from storage.tenants.tenants import DEFAULT_TENANT


def list_campaigns(
    ctx: typer.Context,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="The maximum number of campaigns.")] = 50,
    tenant: OfTenant = DEFAULT_TENANT,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """List campaigns, newest first."""
    with open_door(ctx, data_dir, tenant) as door:
        found = door.campaigns(limit)
    if as_json:
        print_json(found)
        return
    if not found:
        typer.echo("no campaigns", err=True)
        return
    print_table(["NAME", "AGE", "ROWS", "STATES"], [_cells(campaign) for campaign in found])


def _cells(campaign: dict[str, Any]) -> list[object]:
    created: datetime = campaign["created_at"]
    counts = {JobState(state): number for state, number in campaign["counts"].items()}
    paused = "" if campaign["paused_at"] is None else ", paused"
    age = ago(created).removesuffix(" ago")
    return [campaign["name"], age, campaign["total"], f"{counts_line(counts)}{paused}"]
