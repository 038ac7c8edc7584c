"""`reelq jobs`: look at jobs, cancel them, try them again, resolve unconfirmed ones."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from producer.cli import job_decisions
from producer.cli.options import AsJson, DataDir, OfTenant, job_id_of, settings_of
from storage.jobs.states import JobState
from storage.tenants.tenants import DEFAULT_TENANT

if TYPE_CHECKING:
    from storage.jobs.records import JobView

app = typer.Typer(help="Jobs.", no_args_is_help=True)
app.command("cancel")(job_decisions.cancel)
app.command("retry")(job_decisions.retry)
app.command("resolve")(job_decisions.resolve)


@app.command("list")
def list_jobs(
    ctx: typer.Context,
    state: Annotated[JobState | None, typer.Option(help="Only jobs of this state.", show_default=False)] = None,
    campaign: Annotated[str | None, typer.Option(help="Only jobs of this campaign.", show_default=False)] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="At most so many, the newest first.")] = 50,
    tenant: OfTenant = DEFAULT_TENANT,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """List jobs, the newest first."""
    from producer.cli.output import ago, error_line, print_json, print_table
    from producer.operator_actions.waiting import with_obstacles
    from storage.database import connect
    from storage.jobs import queries

    settings = settings_of(ctx, data_dir)
    with connect(settings.require_database_url()) as conn:
        found = queries.list_jobs(conn, tenant, state=state, campaign=campaign, limit=limit)
        found = with_obstacles(conn, settings, found)
    if as_json:
        print_json(found)
        return
    if not found:
        typer.echo("no jobs", err=True)
        return
    print_table(
        ["ID", "STATE", "AGE", "CAMPAIGN", "PROMPT"],
        [
            [
                job.id,
                job.state,
                ago(job.created_at).removesuffix(" ago"),
                job.campaign or "-",
                error_line(job.error) or _obstacle(job) or job.request.get("prompt", ""),
            ]
            for job in found
        ],
        states="STATE",
        optional="CAMPAIGN",
    )


def _obstacle(job: JobView) -> str:
    """Why a queued job waits for people, "" where it does not."""
    from storage.jobs.reasons import OBSTACLES, Reason

    return Reason(job.reason).line if job.state is JobState.QUEUED and job.reason in OBSTACLES else ""


@app.command()
def show(
    ctx: typer.Context,
    job: Annotated[str, typer.Argument(metavar="ID", help="The job's id, or the beginning of it.")],
    tenant: OfTenant = DEFAULT_TENANT,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Show one job: what it asks for, where it stands and why, its attempts, its timeline."""
    from producer.cli.job_detail import print_detail, wait_line
    from producer.cli.output import print_json
    from producer.operator_actions.job_actions import get_job
    from producer.operator_actions.waiting import why_it_waits, with_obstacles
    from storage.database import connect
    from storage.jobs import history

    settings = settings_of(ctx, data_dir)
    with connect(settings.require_database_url()) as conn:
        job_id = job_id_of(conn, tenant, job)
        [view] = with_obstacles(conn, settings, [get_job(conn, tenant, job_id)])
        attempts = history.attempts_of(conn, job_id)
        events = history.events_of(conn, job_id)
        waiting = [wait_line(view, wait) for wait in why_it_waits(conn, settings, view)]
    if as_json:
        print_json(asdict(view) | {"attempts": attempts, "events": events, "waits": waiting})
    else:
        print_detail(settings, view, attempts, events, waiting)
