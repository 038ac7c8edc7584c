"""`reelq campaign export`: the sheet of a campaign, with the results beside each row."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from producer.cli.campaigns.results.options import Language, LinkHours, OfReviews, OfStates
from producer.cli.doors.results import open_results
from producer.cli.doors.wanted import Wanted
from producer.cli.shared.options import CampaignName, DataDir, OfTenant
from producer.cli.shared.output import say
from producer.wording import plural
from seedance.problems import InvalidInput, Problem
from storage.tenants.tenants import DEFAULT_TENANT

SUFFIXES = (".xlsx", ".csv", ".jsonl")


def export(
    ctx: typer.Context,
    name: CampaignName,
    to: Annotated[
        Path | None,
        typer.Option(
            "--to", "--out", metavar="FILE", help="Ends in .xlsx, .csv or .jsonl; without it JSONL is printed."
        ),
    ] = None,
    link_hours: LinkHours = 168.0,
    states: OfStates = None,
    reviews: OfReviews = None,
    posters: Annotated[
        bool | None,
        typer.Option("--posters/--no-posters", help="Put small pictures into a workbook; default: up to 2,000 rows."),
    ] = None,
    language: Language = "en",
    tenant: OfTenant = DEFAULT_TENANT,
    data_dir: DataDir = None,
) -> None:
    """Write the sheet of a campaign, with the results beside each row. Its own columns come first, in their order; then
    state, reason, advice, cost, links, review and times. The columns that are added are not read back."""
    if to is not None and to.suffix.lower() not in SUFFIXES:
        raise InvalidInput(
            [Problem("--to", f"must end in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}, not {to.name!r}")]
        )
    door = open_results(ctx, data_dir, tenant)
    wanted = Wanted(name, states, reviews, link_hours * 3600, language)
    if to is None:
        for line in door.lines(wanted):
            sys.stdout.buffer.write(line)
        return
    count = door.export(wanted, to, posters)
    say(f"wrote {plural(count, 'row')} of {name} to {to}")
