"""`reelq campaign plan`: everything that can be known about a campaign before money is spent."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from producer.campaigns.files import check_name
from producer.campaigns.reading.options import read_options
from producer.campaigns.templates.document import read_template
from producer.cli.campaigns.plan_text import plan_lines
from producer.cli.campaigns.planning import Source, make_whole_plan
from producer.cli.shared.access import accounts_of
from producer.cli.shared.exit_codes import BAD_INPUT
from producer.cli.shared.options import AsJson, BudgetText, DataDir, OfTenant
from producer.cli.shared.output import print_json
from producer.cli.shared.pace_options import (
    Deadline,
    MaxConcurrent,
    Priority,
    Proof,
    QuietHours,
    StartAt,
    TimeZone,
    zone_or_local,
)
from producer.cli.shared.sheets import (
    CampaignFile,
    Delimiter,
    Encoding,
    Key,
    Mapped,
    Prompt,
    Sheet,
    TemplateFile,
    WriteErrors,
)
from producer.intake.pace import read_pace
from producer.intake.row_defaults import read_defaults
from producer.intake.terms import read_terms
from storage.tenants.tenants import DEFAULT_TENANT


def plan(
    ctx: typer.Context,
    file: CampaignFile,
    name: Annotated[
        str | None,
        typer.Option(help="The campaign that the rows are for: its known rows cost nothing again.", show_default=False),
    ] = None,
    prompt: Prompt = None,
    template: TemplateFile = None,
    mapped: Mapped = None,
    key: Key = None,
    budget: BudgetText = None,
    proof: Proof = False,
    deadline: Deadline = None,
    priority: Priority = None,
    start_at: StartAt = None,
    quiet_hours: QuietHours = None,
    max_concurrent: MaxConcurrent = None,
    time_zone: TimeZone = None,
    fetch: Annotated[bool, typer.Option("--fetch/--no-fetch", help="Fetch the media that rows name by URL.")] = True,
    write_errors: WriteErrors = None,
    sheet: Sheet = None,
    encoding: Encoding = None,
    delimiter: Delimiter = None,
    tenant: OfTenant = DEFAULT_TENANT,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Check every row of a file, and show what a run would cost and take. Nothing is stored or sent; exit code 2 if a
    row is bad."""
    if name is not None:
        check_name(name)
    zone = zone_or_local(time_zone)
    terms = replace(read_terms(budget), pace=read_pace(start_at, quiet_hours, max_concurrent, zone))
    defaults = read_defaults(priority, deadline, zone)
    options = read_options(encoding, delimiter, sheet, mapped or (), key, read_template(template, prompt))
    settings = accounts_of(ctx, data_dir).for_tenant(tenant)
    source = Source(file, options, settings, tenant, name, fetch, write_errors, defaults, proof)
    made = make_whole_plan(source, terms)
    if as_json:
        print_json(made.as_dict())
    else:
        for line in plan_lines(made, file.name):
            typer.echo(line)
    if made.checked.bad:
        raise typer.Exit(BAD_INPUT)
