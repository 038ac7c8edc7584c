"""`reelq campaign export`: the sheet of a campaign, with the results beside each row."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from producer.campaigns.results.posters import with_posters, without_posters
from producer.campaigns.results.tables import as_csv, as_jsonl
from producer.campaigns.results.workbook import POSTER_PX, write_workbook
from producer.cli.campaigns.results.options import (
    Language,
    LinkHours,
    OfReviews,
    OfStates,
    links_for,
    results_of,
    whole_file,
    words_of,
)
from producer.cli.shared.access import settings_of
from producer.cli.shared.formatting import plural
from producer.cli.shared.options import CampaignName, DataDir, OfTenant
from producer.cli.shared.output import say
from seedance.problems import InvalidInput, Problem
from storage.bucket.objects import Objects
from storage.tenants.tenants import DEFAULT_TENANT

SUFFIXES = (".xlsx", ".csv", ".jsonl")
MOST_POSTERS = 2_000
"""More posters would make a workbook that Excel opens slowly."""


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
    settings = settings_of(ctx, data_dir)
    results = results_of(ctx, settings, tenant, name, states, reviews)
    objects = Objects(settings)
    links = links_for(objects, link_hours * 3600)
    if to is None:
        for line in as_jsonl(results, links):
            sys.stdout.buffer.write(line)
        return
    with whole_file(to) as file:
        if to.suffix.lower() == ".xlsx":
            if posters is None:
                posters = results.count() <= MOST_POSTERS
            illustrated = with_posters(results, objects, POSTER_PX) if posters else without_posters(results)
            count = write_workbook(file, results.columns, illustrated, words_of(language), links, name)
        else:
            count = -1 if to.suffix.lower() == ".csv" else 0  # a CSV has a heading
            for piece in (
                as_csv(results, words_of(language), links) if to.suffix.lower() == ".csv" else as_jsonl(results, links)
            ):
                file.write(piece)
                count += 1
            if to.suffix.lower() == ".csv":
                count -= 1  # its mark
    say(f"wrote {plural(count, 'row')} of {name} to {to}")
