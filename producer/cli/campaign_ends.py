"""`reelq campaign pause`, `resume`, `cancel` and `export`: hold a campaign back, give it up, take its results away."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from producer.cli.job_decisions import confirm
from producer.cli.options import AsJson, DataDir, Discard, OfTenant, Yes, open_producer, settings_of
from producer.cli.tenants import Budgeted, Weight
from storage.jobs.states import JobState
from storage.tenants.tenants import DEFAULT_TENANT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from storage.settings import Settings

Name = Annotated[str, typer.Argument(metavar="NAME", help="The campaign.", show_default=False)]


def cancel(
    ctx: typer.Context,
    name: Name,
    discard: Discard = False,
    yes: Yes = False,
    tenant: OfTenant = DEFAULT_TENANT,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Cancel every job of a campaign that is free to cancel; with --discard, the others as well."""
    from dataclasses import asdict

    from producer.campaigns.status import cancel_campaign
    from producer.cli.output import print_json

    confirm(f"Cancel what is left of {name}{', also what is billed all the same' if discard else ''}?", yes)
    with open_producer(ctx, data_dir, tenant) as producer:
        done = cancel_campaign(producer.database, tenant, name, discard=discard)
    if as_json:
        print_json({"campaign": name, **asdict(done)})
    else:
        typer.echo(
            f"{name}: {done.cancelled} cancelled, {done.asked} asked of their gateways, "
            f"{done.refused} go on because they are billed all the same"
        )


def change(
    ctx: typer.Context,
    name: Name,
    budget: Budgeted = None,
    weight: Weight = None,
    tenant: OfTenant = DEFAULT_TENANT,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Say what a campaign may spend, and how much of its tenant's slots it gets."""
    from producer.campaigns.status import change_campaign
    from producer.cli.money import amount
    from producer.cli.output import print_json
    from producer.intake.terms import read_terms

    terms = read_terms(budget, weight)
    with open_producer(ctx, data_dir, tenant) as producer, producer.database.begin() as conn:
        status = change_campaign(conn, tenant, name, terms)
    if as_json:
        print_json(status.as_dict())
        return
    limit = amount(status.budget["amount"], status.budget["currency"]) if status.budget else "none"
    typer.echo(f"{name}: weight {status.weight}, budget {limit}")


def pause(
    ctx: typer.Context,
    name: Name,
    tenant: OfTenant = DEFAULT_TENANT,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Submit no more of a campaign until it is resumed; what was submitted goes on."""
    _hold(ctx, name, tenant, as_json, data_dir, paused=True)


def resume(
    ctx: typer.Context,
    name: Name,
    tenant: OfTenant = DEFAULT_TENANT,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Let a paused campaign go on."""
    _hold(ctx, name, tenant, as_json, data_dir, paused=False)


def _hold(ctx: typer.Context, name: str, tenant: str, as_json: bool, data_dir: Path | None, *, paused: bool) -> None:
    from producer.campaigns.status import pause_campaign
    from producer.cli.output import counts_line, print_json

    with open_producer(ctx, data_dir, tenant) as producer, producer.database.begin() as conn:
        status = pause_campaign(conn, tenant, name, paused=paused)
    if as_json:
        print_json(status.as_dict())
    else:
        counts = {JobState(state): number for state, number in status.counts.items()}
        typer.echo(f"{name} {'is paused' if paused else 'goes on'}: {counts_line(counts)}")


def export(
    ctx: typer.Context,
    name: Name,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to; standard output if not given.", show_default=False)
    ] = None,
    link_hours: Annotated[float, typer.Option(min=0.1, max=168, help="How long the links to the videos work.")] = 24.0,
    tenant: OfTenant = DEFAULT_TENANT,
    data_dir: DataDir = None,
) -> None:
    """Write a campaign's jobs as JSONL, one a line in the order they were enqueued, with links to the videos."""
    from producer.cli.output import say
    from storage.database import connect

    settings = settings_of(ctx, data_dir)
    with connect(settings.require_database_url()) as conn:
        lines = _lines(conn, settings, tenant, name, link_hours * 3600)
        if out is None:
            for line in lines:
                sys.stdout.buffer.write(line)
            return
        count = 0
        with out.open("wb") as file:
            for count, line in enumerate(lines, 1):  # noqa: B007 - the number of the last one is what is said
                file.write(line)
    say(f"{count} jobs of {name} are in {out}")


def _lines(conn: Any, settings: Settings, tenant: str, name: str, link_s: float) -> Iterator[bytes]:
    from dataclasses import asdict

    import orjson

    from producer.campaigns.status import campaign_status
    from storage.bucket.objects import Objects
    from storage.jobs import queries

    campaign_status(conn, tenant, name)
    objects = Objects(settings)
    last = None
    while page := queries.jobs_in_order(conn, queries.JobFilter(tenant, campaign=name), after=last):
        last = page[-1].id
        for job in page:
            link = objects.link(job.object_key, link_s) if job.object_key is not None else None
            yield orjson.dumps({**asdict(job), "video_url": link}, option=orjson.OPT_APPEND_NEWLINE, default=str)
