"""`reelq jobs list`."""

from __future__ import annotations

from typing import Annotated

import typer

from producer.cli.doors.listing import jobs_of
from producer.cli.shared.formatting import ago, error_line
from producer.cli.shared.options import AsJson, DataDir, OfTenant
from producer.cli.shared.output import print_json, print_table
from storage.jobs.reasons import OBSTACLES, Reason
from storage.jobs.records import JobView
from storage.jobs.states import JobState
from storage.tenants.tenants import DEFAULT_TENANT


def list_jobs(
    ctx: typer.Context,
    state: Annotated[JobState | None, typer.Option(help="Only jobs in this state.", show_default=False)] = None,
    campaign: Annotated[str | None, typer.Option(help="Only jobs of this campaign.", show_default=False)] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="The maximum number of jobs.")] = 50,
    tenant: OfTenant = DEFAULT_TENANT,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """List jobs, newest first."""
    found = jobs_of(ctx, data_dir, tenant, state, campaign, limit)
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
    """Why a queued job cannot go to any account, "" if it can."""
    return Reason(job.reason).line if job.state is JobState.QUEUED and job.reason in OBSTACLES else ""
