"""`reelq campaign export`: a campaign's jobs as JSONL, with links to the videos."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from producer.campaigns.status import campaign_status
from producer.cli.shared.access import settings_of
from producer.cli.shared.formatting import plural
from producer.cli.shared.options import CampaignName, DataDir, OfTenant
from producer.cli.shared.output import say
from storage.bucket.objects import Objects
from storage.database import connect
from storage.jobs import history, queries
from storage.settings import Settings
from storage.tenants.tenants import DEFAULT_TENANT


def export(
    ctx: typer.Context,
    name: CampaignName,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write to this file instead of standard output.", show_default=False),
    ] = None,
    link_hours: Annotated[float, typer.Option(min=0.1, max=168, help="How many hours the links work.")] = 24.0,
    tenant: OfTenant = DEFAULT_TENANT,
    data_dir: DataDir = None,
) -> None:
    """Write a campaign's jobs as JSONL, with links to the videos. One job per line, in the order they were enqueued.
    `decisions` of a job: who decided what about it."""
    settings = settings_of(ctx, data_dir)
    with connect(settings.require_database_url()) as conn:
        lines = _lines(conn, settings, tenant, name, link_hours * 3600)
        if out is None:
            for line in lines:
                sys.stdout.buffer.write(line)
            return
        count = 0
        with out.open("wb") as file:
            for count, line in enumerate(lines, 1):  # noqa: B007 - the number of the last one is printed
                file.write(line)
    say(f"wrote {plural(count, 'job')} of {name} to {out}")


def _lines(conn: Any, settings: Settings, tenant: str, name: str, link_s: float) -> Iterator[bytes]:
    campaign_status(conn, tenant, name)
    objects = Objects(settings)
    last = None
    while page := queries.jobs_in_order(conn, queries.JobFilter(tenant, campaign=name), after=last):
        last = page[-1].id
        decided = history.decisions_of(conn, [job.id for job in page])
        for job in page:
            link = objects.link(job.object_key, link_s) if job.object_key is not None else None
            shown = {**asdict(job), "video_url": link, "decisions": decided.get(job.id, [])}
            yield orjson.dumps(shown, option=orjson.OPT_APPEND_NEWLINE, default=str)
