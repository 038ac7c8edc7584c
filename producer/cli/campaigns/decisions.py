"""`reelq campaign approve`, `reject`, `reroll` and `retry`."""

from __future__ import annotations

import typer

from producer.campaigns.decisions.choice import LOST
from producer.campaigns.decisions.verdicts import Verb
from producer.cli.campaigns.deciding import DecisionOptions, run_decision
from producer.cli.shared.choices import ChosenRows, Comment
from producer.cli.shared.option_groups import spread
from producer.cli.shared.options import CampaignName, Yes


@spread
def approve(
    ctx: typer.Context,
    name: CampaignName,
    rows: ChosenRows,
    how: DecisionOptions,
    comment: Comment = None,
    yes: Yes = False,
) -> None:
    """Approve videos. Of a draft, the final is made, which costs money; on a terminal, this asks first."""
    run_decision(ctx, name, Verb.APPROVE, rows.required(), how, yes=yes, comment=comment)


@spread
def reject(
    ctx: typer.Context,
    name: CampaignName,
    rows: ChosenRows,
    how: DecisionOptions,
    comment: Comment = None,
    yes: Yes = False,
) -> None:
    """Reject videos. They stay, marked as not wanted; reroll makes others."""
    run_decision(ctx, name, Verb.REJECT, rows.required(), how, yes=yes, comment=comment)


@spread
def reroll(ctx: typer.Context, name: CampaignName, rows: ChosenRows, how: DecisionOptions, yes: Yes = False) -> None:
    """Generate rows again with another seed, or as the edited sheet asks. Each costs money again; on a terminal, this
    asks first."""
    run_decision(ctx, name, Verb.REROLL, rows.required(), how, yes=yes)


@spread
def retry(ctx: typer.Context, name: CampaignName, rows: ChosenRows, how: DecisionOptions, yes: Yes = False) -> None:
    """Enqueue rows again that failed or were cancelled; all of them, unless some are chosen. What cannot succeed is
    left out."""
    run_decision(ctx, name, Verb.RETRY, rows.choice() or LOST, how, yes=yes)
