"""`reelq campaign approve`, `reject`, `reroll` and `retry`."""

from __future__ import annotations

import typer

from producer.campaigns.decisions.choice import LOST
from producer.campaigns.decisions.verdicts import Verb
from producer.cli.campaigns.deciding import Command, chosen, required, run_decision
from producer.cli.shared.choices import AllRows, Comment, DryRun, Keys, Operation, Reasons, Reviews, Rows, States
from producer.cli.shared.options import AsJson, CampaignName, DataDir, OfTenant, Yes
from storage.tenants.tenants import DEFAULT_TENANT


def approve(
    ctx: typer.Context,
    name: CampaignName,
    rows: Rows = None,
    keys: Keys = None,
    states: States = None,
    reviews: Reviews = None,
    reasons: Reasons = None,
    all_rows: AllRows = False,
    comment: Comment = None,
    operation: Operation = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    tenant: OfTenant = DEFAULT_TENANT,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Approve videos. Of a draft, the final is made, which costs money; on a terminal, this asks first."""
    choice = chosen(rows, keys, states, reviews, reasons, all_rows=all_rows)
    command = Command(ctx, name, tenant, data_dir, as_json, yes, dry_run, operation)
    run_decision(command, Verb.APPROVE, required(choice), comment=comment)


def reject(
    ctx: typer.Context,
    name: CampaignName,
    rows: Rows = None,
    keys: Keys = None,
    states: States = None,
    reviews: Reviews = None,
    reasons: Reasons = None,
    all_rows: AllRows = False,
    comment: Comment = None,
    operation: Operation = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    tenant: OfTenant = DEFAULT_TENANT,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Reject videos. They stay, marked as not wanted; reroll makes others."""
    choice = chosen(rows, keys, states, reviews, reasons, all_rows=all_rows)
    command = Command(ctx, name, tenant, data_dir, as_json, yes, dry_run, operation)
    run_decision(command, Verb.REJECT, required(choice), comment=comment)


def reroll(
    ctx: typer.Context,
    name: CampaignName,
    rows: Rows = None,
    keys: Keys = None,
    states: States = None,
    reviews: Reviews = None,
    reasons: Reasons = None,
    all_rows: AllRows = False,
    operation: Operation = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    tenant: OfTenant = DEFAULT_TENANT,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Generate rows again with another seed, or as the edited sheet asks. Each costs money again; on a terminal, this
    asks first."""
    choice = chosen(rows, keys, states, reviews, reasons, all_rows=all_rows)
    command = Command(ctx, name, tenant, data_dir, as_json, yes, dry_run, operation)
    run_decision(command, Verb.REROLL, required(choice))


def retry(
    ctx: typer.Context,
    name: CampaignName,
    rows: Rows = None,
    keys: Keys = None,
    states: States = None,
    reviews: Reviews = None,
    reasons: Reasons = None,
    all_rows: AllRows = False,
    operation: Operation = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    tenant: OfTenant = DEFAULT_TENANT,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Enqueue rows again that failed or were cancelled; all of them, unless some are chosen. What cannot succeed is
    left out."""
    choice = chosen(rows, keys, states, reviews, reasons, all_rows=all_rows)
    command = Command(ctx, name, tenant, data_dir, as_json, yes, dry_run, operation)
    run_decision(command, Verb.RETRY, choice or LOST)
