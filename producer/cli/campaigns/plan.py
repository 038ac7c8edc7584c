"""`reelq campaign plan`: everything that can be known about a campaign before money is spent."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import psycopg  # noqa: F401 - first, while the stack is short; see `producer.cli.commands`
import typer

from producer.campaigns.names import check_name
from producer.cli.campaigns.plan_text import document_lines, plan_lines
from producer.cli.campaigns.planning import Source, make_whole_plan
from producer.cli.doors.choice import api_client
from producer.cli.shared.access import accounts_of
from producer.cli.shared.exit_codes import BAD_INPUT
from producer.cli.shared.option_groups import spread
from producer.cli.shared.options import AsJson, BudgetText, DataDir, OfTenant
from producer.cli.shared.output import print_json
from producer.cli.shared.pace_options import RunOptions
from producer.cli.shared.sheets import CampaignFile, SheetOptions
from producer.intake.terms import read_terms
from storage.tenants.tenants import DEFAULT_TENANT


@spread
def plan(
    ctx: typer.Context,
    file: CampaignFile,
    sheet: SheetOptions,
    ways: RunOptions,
    name: Annotated[
        str | None,
        typer.Option(help="The campaign that the rows are for: its known rows cost nothing again.", show_default=False),
    ] = None,
    budget: BudgetText = None,
    fetch: Annotated[bool, typer.Option("--fetch/--no-fetch", help="Fetch the media that rows name by URL.")] = True,
    tenant: OfTenant = DEFAULT_TENANT,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Check every row of a file, and show what a run would cost and take. Nothing is stored or sent; exit code 2 if a
    row is bad."""
    if name is not None:
        check_name(name)
    terms = replace(read_terms(budget), pace=ways.read())
    defaults, options = ways.defaults(), sheet.read()
    if (reelq := api_client(ctx, data_dir, tenant)) is not None:
        # Imported here: the client takes long, and a command at the server does without.
        from producer.cli.campaigns import through_api

        away = through_api.sent_sheet(file, options, sheet, ways)
        found = through_api.plan_there(reelq, away, name, terms, fetch=fetch)
        lines = document_lines(found, file.name)
    else:
        settings = accounts_of(ctx, data_dir).for_tenant(tenant)
        source = Source(file, options, settings, tenant, name, fetch, sheet.write_errors, defaults, ways.proof)
        made = make_whole_plan(source, terms)
        found, lines = made.as_dict(), plan_lines(made, file.name)
    if as_json:
        print_json(found)
    else:
        for line in lines:
            typer.echo(line)
    if found["bad"]:
        raise typer.Exit(BAD_INPUT)
