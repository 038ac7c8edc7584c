"""`reelq campaign status`."""

from __future__ import annotations

import typer

from producer.cli.shared.access import accounts_of
from producer.cli.shared.formatting import counts_line, error_line, plural
from producer.cli.shared.money import budget_line, sum_line
from producer.cli.shared.options import AsJson, CampaignName, DataDir, OfTenant
from producer.cli.shared.output import print_json
from producer.operator_actions.waiting import waiting_for
from seedance.problems import InvalidInput, Problem
from storage.admission import budgets
from storage.campaigns.controls import subject_of
from storage.campaigns.summaries import campaign_summaries
from storage.database import Connection, connect
from storage.decisions import list_decisions
from storage.jobs import queries
from storage.jobs.reasons import OBSTACLES, Reason
from storage.jobs.records import JobView
from storage.jobs.states import JobState
from storage.reporting import costs
from storage.tenants.tenants import DEFAULT_TENANT

_SHOWN_FAILURES, _SHOWN_DECISIONS = 5, 10


def status(
    ctx: typer.Context,
    name: CampaignName,
    tenant: OfTenant = DEFAULT_TENANT,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Show a campaign's progress, costs, latest failures, and who decided what."""
    settings = accounts_of(ctx, data_dir).for_tenant(tenant)
    with connect(settings.require_database_url()) as conn:
        found = campaign_summaries(conn, tenant, name=name, limit=1)
        counts = queries.counts(conn, tenant, campaign=name)
        bad = _unsuccessful(conn, tenant, name)
        sums = costs.campaign_costs(conn, tenant, name)
        limits = budgets.budgets_of(conn, tenant, [row["id"] for row in found])
        waits = waiting_for(conn, settings, found[0]["id"]) if found else {}
        decided = list_decisions(conn, tenant, subject_of(found[0]["id"]), limit=_SHOWN_DECISIONS) if found else []
    if not found:
        raise InvalidInput([Problem("", f"there is no campaign {name!r}")])
    total, paused_at = sum(counts.values()), found[0]["paused_at"]
    budget = next(iter(limits), None)
    if as_json:
        limit = None if budget is None else budget.as_dict()
        shown = {"campaign": name, "budget": limit, "paused_at": paused_at, "total": total, "counts": counts}
        decisions = [{"at": item.at, "what": item.what, "actor": item.actor, "detail": item.detail} for item in decided]
        more = {"waiting_for": waits, "costs": [item.as_dict() for item in sums], "decisions": decisions}
        print_json(shown | more)
        return
    typer.echo(f"{name}: {plural(total, 'job')}: {counts_line(counts)}{', paused' if paused_at else ''}")
    for reason in Reason:
        if reason in OBSTACLES and reason in waits:
            typer.echo(f"  {plural(waits[reason], 'job')} waiting: {reason.line}")
    if budget is not None:
        typer.echo(f"  budget {budget_line(budget)}")
    for item in sums:
        typer.echo(f"  {sum_line(item)}")
    for decision in decided:
        who = decision.actor or "the system"
        typer.echo(f"  {decision.at.astimezone():%Y-%m-%d %H:%M:%S} {decision.what} by {who}")
    for job in bad:
        typer.echo(f"  {job.id} {job.state}: {error_line(job.error) or job.reason}")


def _unsuccessful(conn: Connection, tenant: str, name: str) -> list[JobView]:
    found: list[JobView] = []
    for state in (JobState.UNCONFIRMED, JobState.FAILED):
        found += queries.list_jobs(conn, tenant, state=state, campaign=name, limit=_SHOWN_FAILURES)
    return found
