"""`reelq campaign`: many jobs from one file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from producer.cli import campaign_ends
from producer.cli.options import AsJson, DataDir, OfTenant, Wait, open_producer, settings_of
from producer.cli.tenants import Budgeted, Weight
from storage.campaigns.summaries import campaign_summaries
from storage.jobs.states import JobState
from storage.tenants.tenants import DEFAULT_TENANT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from producer.client import Producer
    from storage.database import Connection
    from storage.jobs.records import Enqueued, JobView

app = typer.Typer(help="Campaigns: many jobs from one file.", no_args_is_help=True)

app.command("set")(campaign_ends.change)
app.command("pause")(campaign_ends.pause)
app.command("resume")(campaign_ends.resume)
app.command("cancel")(campaign_ends.cancel)
app.command("export")(campaign_ends.export)

_SHOWN_FAILURES = 5


@app.command()
def run(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="jobs.jsonl or jobs.csv; see docs/jobs.md.")],
    name: Annotated[str, typer.Option(help="The campaign. The same name again adds only what is new.")],
    budget: Budgeted = None,
    weight: Weight = None,
    wait: Wait = False,
    tenant: OfTenant = DEFAULT_TENANT,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Enqueue every row of a file, all or none; with --wait, see them through."""
    from producer.campaigns.files import check_name, read_campaign
    from producer.cli.output import print_json, say
    from producer.intake.intake import prepare
    from producer.intake.terms import read_terms

    check_name(name)
    terms = read_terms(budget, weight)
    settings = settings_of(ctx, data_dir)
    batch = prepare(read_campaign(file), settings, file.parent)
    with open_producer(ctx, data_dir, tenant) as producer:
        stored = producer.store(batch, campaign=name, terms=terms, progress=lambda done, total: _uploading(done, total))
        created = sum(item.created for item in stored)
        known = f", {len(stored) - created} known" if created < len(stored) else ""
        say(f"{name}: {len(stored)} rows, {created} new{known}")
        result: dict[str, Any] = {"campaign": name, "rows": len(stored), "created": created}
        counts = _see_through(producer, stored, name) if wait else producer.counts([item.id for item in stored])
        if wait:
            _say_failures(producer, stored)
    if as_json:
        print_json(result | {"counts": counts, "ids": [item.id for item in stored]})
    if wait and counts.get(JobState.SUCCEEDED, 0) < len({item.id for item in stored}):
        raise typer.Exit(1)


def _uploading(done: int, total: int) -> None:
    from producer.cli.output import say

    if done == total or done % 50 == 0:
        say(f"{done}/{total} local files stored")


def _see_through(producer: Producer, stored: Sequence[Enqueued], name: str) -> Mapping[JobState, int]:
    from producer.cli.output import say
    from producer.cli.progress import watch

    try:
        return watch(producer, list({item.id for item in stored}), name)
    except KeyboardInterrupt:
        say(f"stopped waiting; the jobs go on (`reelq campaign status {name}`)")
        raise


def _say_failures(producer: Producer, stored: Sequence[Enqueued]) -> None:
    from producer.cli.output import error_line, say
    from storage.jobs import queries

    with producer.database.begin() as conn:
        found = queries.unsuccessful_of(conn, producer.tenant, [item.id for item in stored], _SHOWN_FAILURES)
    for job in found:
        say(f"  {job.id} {job.state}: {error_line(job.error) or job.reason}")


@app.command()
def status(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="The campaign.")],
    tenant: OfTenant = DEFAULT_TENANT,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """How far a campaign is, and what failed last."""
    from producer.cli.money import budget_line, sum_line
    from producer.cli.output import counts_line, error_line, plural, print_json
    from producer.operator_actions.waiting import waiting_for
    from seedance.problems import InvalidInput, Problem
    from storage.admission import budgets
    from storage.database import connect
    from storage.jobs import queries
    from storage.jobs.reasons import OBSTACLES, Reason
    from storage.reporting import costs

    settings = settings_of(ctx, data_dir)
    with connect(settings.require_database_url()) as conn:
        found = campaign_summaries(conn, tenant, name=name, limit=1)
        counts = queries.counts(conn, tenant, campaign=name)
        bad = _unsuccessful(conn, tenant, name)
        sums = costs.campaign_costs(conn, tenant, name)
        limits = budgets.budgets_of(conn, tenant, [row["id"] for row in found])
        waits = waiting_for(conn, settings, found[0]["id"]) if found else {}
    if not found:
        raise InvalidInput([Problem("", f"there is no campaign {name!r}")])
    total, paused_at = sum(counts.values()), found[0]["paused_at"]
    budget = next(iter(limits), None)
    if as_json:
        limit = None if budget is None else budget.as_dict()
        shown = {"campaign": name, "budget": limit, "paused_at": paused_at, "total": total, "counts": counts}
        print_json(shown | {"waiting_for": waits, "costs": [item.as_dict() for item in sums]})
        return
    typer.echo(f"{name}: {total} jobs: {counts_line(counts)}{', paused' if paused_at else ''}")
    for reason in Reason:
        if reason in OBSTACLES and reason in waits:
            typer.echo(f"  {plural(waits[reason], 'job')} waiting: {reason.line}")
    if budget is not None:
        typer.echo(f"  budget {budget_line(budget)}")
    for item in sums:
        typer.echo(f"  {sum_line(item)}")
    for job in bad:
        typer.echo(f"  {job.id} {job.state}: {error_line(job.error) or job.reason}")


def _unsuccessful(conn: Connection, tenant: str, name: str) -> list[JobView]:
    from storage.jobs import queries

    found: list[JobView] = []
    for state in (JobState.UNCONFIRMED, JobState.FAILED):
        found += queries.list_jobs(conn, tenant, state=state, campaign=name, limit=_SHOWN_FAILURES)
    return found
