"""`reelq campaign set`, `pause`, `resume` and `cancel`: for a whole campaign, or for some of its rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import typer

from producer.campaigns.decisions.choice import EVERY_ROW
from producer.campaigns.decisions.fields import read_fields
from producer.campaigns.decisions.verdicts import Verb
from producer.cli.campaigns.deciding import DecisionOptions, run_decision
from producer.cli.campaigns.pace_text import pace_in, pace_lines
from producer.cli.doors.choice import open_door
from producer.cli.shared.choices import ChosenRows, Fields
from producer.cli.shared.confirmation import confirm
from producer.cli.shared.formatting import clean, counts_line
from producer.cli.shared.money import amount
from producer.cli.shared.option_groups import spread
from producer.cli.shared.options import (
    AsJson,
    BudgetText,
    CampaignName,
    DataDir,
    Discard,
    Notify,
    OfTenant,
    Weight,
    Yes,
)
from producer.cli.shared.output import print_json
from producer.cli.shared.pace_options import PaceOptions
from producer.intake.terms import read_terms
from seedance.problems import InvalidInput, Problem
from storage.jobs.states import JobState
from storage.tenants.tenants import DEFAULT_TENANT


@spread
def change(
    ctx: typer.Context,
    name: CampaignName,
    pace: PaceOptions,
    rows: ChosenRows,
    how: DecisionOptions,
    budget: BudgetText = None,
    weight: Weight = None,
    notify: Notify = None,
    fields: Fields = None,
) -> None:
    """Set a campaign's budget, share of the slots, pace and recipients of mail, or fields of waiting rows. A row that
    was submitted keeps its request."""
    terms = replace(read_terms(budget, weight, notify), pace=pace.read())
    choice = rows.choice()
    if fields or choice is not None:
        if terms:
            raise InvalidInput([Problem("field", "cannot be set together with terms of the whole campaign")])
        run_decision(ctx, name, Verb.SET, rows.required(), how, fields=read_fields(fields or ()))
        return
    if how.dry_run or how.operation is not None:
        option = "--dry-run" if how.dry_run else "--operation"
        raise InvalidInput([Problem(option, "is for --field; terms of the whole campaign are set at once")])
    with open_door(ctx, how.data_dir, how.tenant) as door:
        status = door.change_campaign(name, terms)
    if how.as_json:
        print_json(status)
        return
    budget_now = status["budget"]
    limit = amount(budget_now["amount"], budget_now["currency"]) if budget_now else "none"
    mail = "" if notify is None else f", mail to {', '.join(notify)}"
    typer.echo(f"{name}: weight {status['weight']}, budget {limit}{mail}")
    for line in pace_lines(pace_in(status["pace"])):
        typer.echo(clean(line))


def pause(
    ctx: typer.Context,
    name: CampaignName,
    tenant: OfTenant = DEFAULT_TENANT,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Stop submitting jobs of a campaign. Submitted jobs continue."""
    _hold(ctx, name, tenant, as_json, data_dir, paused=True)


@spread
def resume(ctx: typer.Context, name: CampaignName, rows: ChosenRows, how: DecisionOptions) -> None:
    """Continue a paused campaign, or submit rows that were kept back. Without a choice, everything goes on."""
    choice = rows.choice()
    if choice is not None or how.dry_run or how.operation is not None:
        run_decision(ctx, name, Verb.RESUME, choice or EVERY_ROW, how, whole=choice is None)
        return
    _hold(ctx, name, how.tenant, how.as_json, how.data_dir, paused=False)


def _hold(ctx: typer.Context, name: str, tenant: str, as_json: bool, data_dir: Path | None, *, paused: bool) -> None:
    with open_door(ctx, data_dir, tenant) as door:
        status = door.pause_campaign(name, paused=paused)
    if as_json:
        print_json(status)
    else:
        counts = {JobState(state): number for state, number in status["counts"].items()}
        typer.echo(f"{name} {'is paused' if paused else 'continues'}: {counts_line(counts)}")


@spread
def cancel(
    ctx: typer.Context,
    name: CampaignName,
    rows: ChosenRows,
    how: DecisionOptions,
    discard: Discard = False,
    yes: Yes = False,
) -> None:
    """Cancel every row of a campaign, or some, that is free to cancel. With --discard, cancel the others too."""
    choice = rows.choice()
    if choice is not None or how.dry_run or how.operation is not None:
        wanted = choice or EVERY_ROW
        run_decision(ctx, name, Verb.CANCEL, wanted, how, yes=yes, discard=discard, asks=lambda _: True)
        return
    bill = " You will still be billed for submitted jobs." if discard else ""
    confirm(f"Cancel the remaining jobs of {name}?{bill}", yes)
    with open_door(ctx, how.data_dir, how.tenant) as door:
        done = door.cancel_campaign(name, discard=discard)
    if how.as_json:
        print_json({"campaign": name, **done})
    elif not any(done.values()):
        typer.echo(f"{name}: every job has ended; nothing is left to cancel")
    else:
        typer.echo(
            f"{name}: {done['cancelled']} cancelled, {done['asked']} being cancelled by their gateways, "
            f"{done['refused']} still running (already billed; use --discard to drop the results)"
        )
