"""`reelq campaign sheet`: a page with all videos of a campaign."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from producer.campaigns.results.posters import with_posters
from producer.campaigns.results.wall import POSTER_PX, as_wall
from producer.cli.campaigns.results.options import (
    Language,
    LinkHours,
    OfReviews,
    OfStates,
    links_for,
    results_of,
    whole_file,
)
from producer.cli.shared.access import settings_of
from producer.cli.shared.options import CampaignName, DataDir, OfTenant
from producer.cli.shared.output import say
from producer.web.language import LANGUAGES, catalogue
from seedance.problems import InvalidInput, Problem
from storage.bucket.objects import Objects
from storage.tenants.tenants import DEFAULT_TENANT


def sheet(
    ctx: typer.Context,
    name: CampaignName,
    to: Annotated[Path, typer.Option("--to", metavar="FILE", help="The page; ends in .html.", show_default=False)],
    link_hours: LinkHours = 168.0,
    states: OfStates = None,
    reviews: OfReviews = None,
    language: Language = "en",
    tenant: OfTenant = DEFAULT_TENANT,
    data_dir: DataDir = None,
) -> None:
    """Write a page with all videos of a campaign. It opens from disk: posters are in it, videos play on hover while
    their links work."""
    if to.suffix.lower() not in (".html", ".htm"):
        raise InvalidInput([Problem("--to", f"must end in .html, not {to.name!r}")])
    settings = settings_of(ctx, data_dir)
    results = results_of(ctx, settings, tenant, name, states, reviews)
    objects = Objects(settings)
    languages = {code: catalogue(code) for code in LANGUAGES}
    with whole_file(to) as file:
        illustrated = with_posters(results, objects, POSTER_PX)
        for piece in as_wall(name, illustrated, languages, links_for(objects, link_hours * 3600), language=language):
            file.write(piece.encode("utf-8", "replace"))
    say(f"wrote {to}")
