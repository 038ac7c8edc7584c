"""`reelq jobs show`: everything about one job."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from producer.cli.jobs.detail import print_detail, wait_line
from producer.cli.shared.access import accounts_of, job_id_of
from producer.cli.shared.options import AsJson, DataDir, OfTenant
from producer.cli.shared.output import print_json
from producer.operator_actions.job_actions import get_job
from producer.operator_actions.waiting import why_it_waits, with_obstacles
from storage.database import connect
from storage.jobs import history
from storage.tenants.tenants import DEFAULT_TENANT


def show(
    ctx: typer.Context,
    job: Annotated[str, typer.Argument(metavar="ID", help="The job's id or its first characters.")],
    tenant: OfTenant = DEFAULT_TENANT,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Show one job. Prints its request, its state and why it waits, its attempts and its timeline."""
    settings = accounts_of(ctx, data_dir).for_tenant(tenant)
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
