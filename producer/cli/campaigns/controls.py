"""`reelq campaign set`, `pause`, `resume` and `cancel`."""

from __future__ import annotations

from pathlib import Path

import typer

from producer.cli.doors.choice import open_door
from producer.cli.shared.confirmation import confirm
from producer.cli.shared.formatting import counts_line
from producer.cli.shared.money import amount
from producer.cli.shared.options import AsJson, BudgetText, CampaignName, DataDir, Discard, OfTenant, Weight, Yes
from producer.cli.shared.output import print_json
from producer.intake.terms import read_terms
from storage.jobs.states import JobState
from storage.tenants.tenants import DEFAULT_TENANT


def change(
    ctx: typer.Context,
    name: CampaignName,
    budget: BudgetText = None,
    weight: Weight = None,
    tenant: OfTenant = DEFAULT_TENANT,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Set a campaign's budget and its share of the slots."""
    terms = read_terms(budget, weight)
    with open_door(ctx, data_dir, tenant) as door:
        status = door.change_campaign(name, terms)
    if as_json:
        print_json(status)
        return
    budget_now = status["budget"]
    limit = amount(budget_now["amount"], budget_now["currency"]) if budget_now else "none"
    typer.echo(f"{name}: weight {status['weight']}, budget {limit}")


def pause(
    ctx: typer.Context,
    name: CampaignName,
    tenant: OfTenant = DEFAULT_TENANT,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Stop submitting jobs of a campaign. Submitted jobs continue."""
    _hold(ctx, name, tenant, as_json, data_dir, paused=True)


def resume(
    ctx: typer.Context,
    name: CampaignName,
    tenant: OfTenant = DEFAULT_TENANT,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Continue a paused campaign."""
    _hold(ctx, name, tenant, as_json, data_dir, paused=False)


def _hold(ctx: typer.Context, name: str, tenant: str, as_json: bool, data_dir: Path | None, *, paused: bool) -> None:
    with open_door(ctx, data_dir, tenant) as door:
        status = door.pause_campaign(name, paused=paused)
    if as_json:
        print_json(status)
    else:
        counts = {JobState(state): number for state, number in status["counts"].items()}
        typer.echo(f"{name} {'is paused' if paused else 'continues'}: {counts_line(counts)}")


def cancel(
    ctx: typer.Context,
    name: CampaignName,
    discard: Discard = False,
    yes: Yes = False,
    tenant: OfTenant = DEFAULT_TENANT,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Cancel every job of a campaign that is free to cancel. With --discard, cancel the others too."""
    bill = " You will still be billed for submitted jobs." if discard else ""
    confirm(f"Cancel the remaining jobs of {name}?{bill}", yes)
    with open_door(ctx, data_dir, tenant) as door:
        done = door.cancel_campaign(name, discard=discard)
    if as_json:
        print_json({"campaign": name, **done})
    else:
        typer.echo(
            f"{name}: {done['cancelled']} cancelled, {done['asked']} being cancelled by their gateways, "
            f"{done['refused']} still running (already billed; use --discard to drop the results)"
        )
