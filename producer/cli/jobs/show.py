"""`reelq jobs show`: everything about one job."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from producer.cli.doors.choice import open_door
from producer.cli.jobs.detail import print_detail, wait_line
from producer.cli.shared.options import AsJson, DataDir, OfTenant
from producer.cli.shared.output import print_json
from storage.tenants.tenants import DEFAULT_TENANT


def show(
    ctx: typer.Context,
    job: Annotated[str, typer.Argument(metavar="ID", help="The job's id or its first characters.")],
    tenant: OfTenant = DEFAULT_TENANT,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Show one job. Prints its request, its state and why it waits, its attempts and its timeline."""
    with open_door(ctx, data_dir, tenant) as door:
        [job_id] = door.job_ids([job])
        found = door.detail(job_id)
    if as_json:
        waiting = [wait_line(found.job, wait) for wait in found.waits]
        print_json(asdict(found.job) | {"attempts": found.attempts, "events": found.events, "waits": waiting})
    else:
        print_detail(found)
