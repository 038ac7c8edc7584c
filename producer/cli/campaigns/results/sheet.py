"""`reelq campaign sheet`: a page with all videos of a campaign."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from producer.cli.campaigns.results.options import Language, LinkHours, OfReviews, OfStates
from producer.cli.doors.results import open_results
from producer.cli.doors.wanted import Wanted
from producer.cli.shared.options import CampaignName, DataDir, OfTenant
from producer.cli.shared.output import say
from seedance.problems import InvalidInput, Problem
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
    wanted = Wanted(name, states, reviews, link_hours * 3600, language)
    open_results(ctx, data_dir, tenant).sheet(wanted, to)
    say(f"wrote {to}")
