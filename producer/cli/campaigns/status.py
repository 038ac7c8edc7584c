"""`reelq campaign status`."""

from __future__ import annotations

from collections.abc import Iterator

import typer

from producer.campaigns.overview import Overview, overview_of
from producer.campaigns.reasons import ReasonGroup
from producer.cli.campaigns.pace_text import pace_lines, proof_lines
from producer.cli.campaigns.plan_text import rows_text
from producer.cli.shared.access import accounts_of
from producer.cli.shared.formatting import clean, counts_line, one_line, plural
from producer.cli.shared.money import budget_line, sum_line
from producer.cli.shared.options import AsJson, CampaignName, DataDir, OfTenant
from producer.cli.shared.output import print_json
from storage.admission import budgets
from storage.admission.budgets import Budget
from storage.campaigns.reviews import Review
from storage.database import connect
from storage.reporting import costs
from storage.reporting.costs import CostSum
from storage.tenants.tenants import DEFAULT_TENANT

_SHOWN_GROUPS = 12
_SHOWN_ROWS = 6
_SHOWN_DECISIONS = 10


def status(
    ctx: typer.Context,
    name: CampaignName,
    tenant: OfTenant = DEFAULT_TENANT,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Show a campaign's rows, its costs, what to do about rows that wait or failed, and who decided what."""
    settings = accounts_of(ctx, data_dir).for_tenant(tenant)
    with connect(settings.require_database_url()) as conn:
        found = overview_of(conn, settings, tenant, name)
        sums = costs.campaign_costs(conn, tenant, name)
        budget = next(iter(budgets.budgets_of(conn, tenant, [found.status.id])), None)
    if as_json:
        print_json(found.as_dict())
        return
    for line in _lines(found, budget, sums):
        typer.echo(clean(line))


def _lines(found: Overview, budget: Budget | None, sums: list[CostSum]) -> Iterator[str]:
    counts = found.counts
    sheet = f" of {plural(counts.sheet_rows, 'row')} of the sheet" if counts.sheet_rows != counts.rows else ""
    paused = ", paused" if found.status.paused_at else ""
    yield f"{found.status.name}: {plural(counts.rows, 'row')}{sheet}: {counts_line(counts.states)}{paused}"
    reviewed = [f"{counts.reviews[review]} {review}" for review in Review if review in counts.reviews]
    if counts.reviews.keys() - {Review.OPEN}:
        yield f"  reviews    {', '.join(reviewed)}"
    if budget is not None:
        yield f"  budget     {budget_line(budget)}"
    yield from pace_lines(found.status.pace)
    yield from proof_lines(found.proofs, found.ending, found.status.name)
    for item in sums:
        yield f"  cost       {sum_line(item)}"
    for group in found.reasons[:_SHOWN_GROUPS]:
        yield from _group(group)
    if len(found.reasons) > _SHOWN_GROUPS:
        yield f"  … and {len(found.reasons) - _SHOWN_GROUPS} more reasons; --json lists all"
    for decision in found.decisions[:_SHOWN_DECISIONS]:
        who = decision.actor or "the system"
        yield f"  {decision.at.astimezone():%Y-%m-%d %H:%M:%S} {decision.what} by {who}"


def _group(group: ReasonGroup) -> Iterator[str]:
    shown = ""
    if group.numbers:
        more = " …" if group.rows > len(group.numbers[:_SHOWN_ROWS]) else ""
        shown = f" ({rows_text(group.numbers[:_SHOWN_ROWS])}{more})"
    kind = " ".join(word for word in (group.modality, group.stage) if word)
    what = f" ({kind})" if kind else ""
    yield f"  {group.state:<10} {plural(group.rows, 'row')}{shown}: {group.meaning['en']}{what}"
    if group.advice["en"]:
        yield f"             {group.advice['en']}"
    for words in group.said:
        code = f"{words.gateway_code}: " if words.gateway_code else ""
        yield f"             the gateway said: {one_line(code + words.message)}"
